package console

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"glassine/console/client"
)

// request is one request of a user who is logged in.
type request struct {
	c       *Console
	w       http.ResponseWriter
	r       *http.Request
	s       *session
	aws     *client.Client
	problem *problem // of the form that this page is shown again for
}

// handler answers a request, or returns an error before anything was answered.
type handler func(*request) error

// maxForm bounds a form without files.
const maxForm = 1 << 20

// page makes a handler of what only shows.
func (c *Console) page(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := c.sessions.find(c.token(r))
		if s == nil {
			c.askForLogin(w, r)
			return
		}
		c.run(&request{c: c, w: w, r: r, s: s, aws: c.client(s.creds)}, h)
	}
}

// action makes a handler of a form: its token must be the session's. limit bounds the body.
func (c *Console) action(limit int64, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := c.sessions.find(c.token(r))
		if s == nil {
			c.askForLogin(w, r)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		sent := r.Header.Get("X-Csrf-Token")
		if sent == "" {
			sent = r.PostFormValue("csrf") // of the url-encoded and the multipart forms
		}
		if subtle.ConstantTimeCompare([]byte(sent), []byte(s.csrf)) != 1 {
			c.refuse(w, r, http.StatusForbidden, "This form is not of your session.", "It was opened before you logged in, or it is too large. Nothing was changed; go back and load the page again.", "")
			return
		}
		c.run(&request{c: c, w: w, r: r, s: s, aws: c.client(s.creds)}, h)
	}
}

func (c *Console) run(q *request, h handler) {
	err := h(q)
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		c.cfg.Log.Error("console request failed", "path", q.r.URL.Path, "error", err.Error())
	}
	switch client.Code(err) {
	case "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException": // the key is gone
		c.sessions.drop(c.token(q.r))
		c.askForLogin(q.w, q.r)
		return
	}
	v := q.view("", p.What)
	v.Problem = p
	c.render(q.w, statusOf(p), "error", v)
}

// statusOf is a card's status; what AWS refused is the console's own refusal.
func statusOf(p *problem) int {
	if p.Status < 400 {
		return http.StatusBadGateway
	}
	return p.Status
}

// askForLogin sends a browser to the login, and back afterwards.
func (c *Console) askForLogin(w http.ResponseWriter, r *http.Request) {
	to := "/login"
	if r.Method == http.MethodGet && r.URL.Path != "/" {
		to += "?to=" + url.QueryEscape(r.URL.RequestURI())
	}
	if r.Header.Get("Hx-Request") != "" {
		w.Header().Set("Hx-Redirect", to)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (q *request) ctx() context.Context { return q.r.Context() }

// view is a page's frame.
func (q *request) view(nav, title string) *view {
	return &view{
		Title: title, Nav: nav, Path: q.r.URL.Path, Theme: theme(q.r), Who: q.s.identity.Arn, Account: q.c.cfg.Account, Region: q.c.cfg.Region, CSRF: q.s.csrf,
		Flashes: q.s.said(), Problem: q.problem, Calls: q.aws.Calls(), Version: q.c.cfg.Version,
	}
}

// show renders a page.
func (q *request) show(page, nav, title string, data any, scripts ...string) error {
	v := q.view(nav, title)
	v.Data, v.Scripts = data, scripts
	status := http.StatusOK
	if q.problem != nil {
		status = statusOf(q.problem)
	}
	q.c.render(q.w, status, page, v)
	return nil
}

// again shows the page of a form again, with the card of what went wrong.
func (q *request) again(err error, page handler) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	q.problem = problemOf(err)
	if q.problem.Status >= http.StatusInternalServerError {
		q.c.cfg.Log.Error("console request failed", "path", q.r.URL.Path, "error", err.Error())
	}
	return page(q)
}

// done says on the next page what was done, with the commands that do the same.
func (q *request) done(to, text string) error { return q.doneWith(to, flash{Text: text}) }

func (q *request) doneWith(to string, f flash) error {
	for _, call := range q.aws.Calls() {
		if call.Changes {
			f.Calls = append(f.Calls, call)
		}
	}
	q.s.say(f)
	http.Redirect(q.w, q.r, to, http.StatusSeeOther)
	return nil
}

// form is a field of a form.
func (q *request) form(name string) string { return q.r.PostFormValue(name) }

// arg is a parameter of the URL.
func (q *request) arg(name string) string { return q.r.URL.Query().Get(name) }

// json answers a script of ours.
func (q *request) json(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/json")
	_, _ = q.w.Write(raw) // a failed write is the browser's leaving
	return nil
}

// scripted makes a handler for our scripts: its errors are cards in JSON.
func (c *Console) scripted(h handler) handler {
	return func(q *request) error {
		err := h(q)
		if err == nil || errors.Is(err, context.Canceled) {
			return nil
		}
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError {
			c.cfg.Log.Error("console request failed", "path", q.r.URL.Path, "error", err.Error())
		}
		raw, err := json.Marshal(p)
		if err != nil {
			return err
		}
		q.w.Header().Set("Content-Type", "application/json")
		q.w.WriteHeader(statusOf(p))
		_, _ = q.w.Write(raw) // a failed write is the browser's leaving
		return nil
	}
}
