package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"glassine/aws/sigv4"
	"glassine/console/client"
)

// loginPage shows the form. Its script redeems a link's token, which stands behind #.
func (c *Console) loginPage(w http.ResponseWriter, r *http.Request) {
	if c.sessions.find(c.token(r)) != nil {
		http.Redirect(w, r, back(r.URL.Query().Get("to")), http.StatusSeeOther)
		return
	}
	c.showLogin(w, r, http.StatusOK, nil)
}

type loginData struct{ To, AccessKey, Endpoint string }

func (c *Console) showLogin(w http.ResponseWriter, r *http.Request, status int, p *problem) {
	to := r.FormValue("to")
	c.render(w, status, "login", &view{
		Title: "Log in", Nav: "login", Path: "/login", Theme: theme(r), Account: c.cfg.Account, Region: c.cfg.Region, Problem: p, Scripts: []string{"login.js"}, Version: c.cfg.Version,
		Data: loginData{to, strings.TrimSpace(r.PostFormValue("access-key")), c.cfg.Endpoint},
	})
}

// back is a path of ours to go to after the login; anything else is the first page.
func back(to string) string {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n") || strings.HasPrefix(to, "/login") {
		return "/"
	}
	return to
}

// login takes an access key, or a link's token, and asks STS whose it is.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	from := address(r)
	if ok, wait := c.limiter.allow(from); !ok {
		w.Header().Set("Retry-After", fmt.Sprint(int(wait.Seconds())+1))
		c.showLogin(w, r, http.StatusTooManyRequests, &problem{What: "Too many failed logins.", Why: fmt.Sprintf("Wait %d seconds and try again.", int(wait.Seconds())+1)})
		return
	}
	creds, p := c.offered(r)
	key := creds.AccessKeyID
	var who client.Identity
	var until time.Time
	if p == nil {
		var err error
		if who, err = c.identify(r.Context(), creds); err == nil {
			creds, until, err = c.trade(r.Context(), creds)
		}
		if err != nil {
			p = &problem{What: "This access key does not open anything.", Why: problemOf(err).Why, Try: "glassine env"}
		}
	}
	if p != nil {
		c.limiter.failed(from)
		c.showLogin(w, r, http.StatusForbidden, p)
		return
	}
	c.sessions.drop(c.token(r)) // a new session for a new user: no token outlives a login
	token, _ := c.sessions.begin(creds, who, key, until)
	cookie := c.cookie(r)
	cookie.Value, cookie.MaxAge = token, int(sessionLife/time.Second)
	http.SetCookie(w, cookie)
	c.cfg.Log.Info("console login", "principal", who.Arn, "from", from)
	http.Redirect(w, r, back(r.PostFormValue("to")), http.StatusSeeOther)
}

// offered reads the credentials of a login form.
func (c *Console) offered(r *http.Request) (sigv4.Credentials, *problem) {
	if token := r.PostFormValue("token"); token != "" {
		creds, ok := c.sessions.redeem(token)
		if !ok {
			return creds, &problem{What: "This link was used already, or is older than a minute.", Why: "A link to log in works once.", Try: "glassine console"}
		}
		return creds, nil
	}
	creds := sigv4.Credentials{
		AccessKeyID: strings.TrimSpace(r.PostFormValue("access-key")), SecretAccessKey: strings.TrimSpace(r.PostFormValue("secret-key")),
		SessionToken: strings.TrimSpace(r.PostFormValue("session-token")),
	}
	if creds.AccessKeyID == "" || creds.SecretAccessKey == "" {
		return creds, &problem{What: "Both parts of an access key are needed.", Why: "The id and the secret.", Try: "glassine env"}
	}
	return creds, nil
}

// trade gives a long-term key for credentials of a session, which is all that is kept of it. Who has a session's credentials
// already keeps them: STS tells nobody when they end, so calls with them will.
func (c *Console) trade(ctx context.Context, creds sigv4.Credentials) (sigv4.Credentials, time.Time, error) {
	if creds.SessionToken != "" {
		return creds, time.Time{}, nil
	}
	return c.client(creds).SignIn(ctx, sessionLife)
}

// identify asks STS who signs with creds.
func (c *Console) identify(ctx context.Context, creds sigv4.Credentials) (client.Identity, error) {
	return c.client(creds).GetCallerIdentity(ctx)
}

// makeLink answers the command line: a link for the key that it sends, which must be good. It is a login in all but name.
func (c *Console) makeLink(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	from := address(r)
	if ok, _ := c.limiter.allow(from); !ok {
		http.Error(w, "too many failed logins", http.StatusTooManyRequests)
		return
	}
	creds, p := c.offered(r)
	if p == nil && r.PostFormValue("token") != "" {
		p = &problem{What: "A link is made for an access key."}
	}
	if p == nil {
		if _, err := c.identify(r.Context(), creds); err != nil {
			p = problemOf(err)
		}
	}
	if p != nil {
		c.limiter.failed(from)
		http.Error(w, p.What+" "+p.Why, http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"path": "/login#" + c.sessions.link(creds)}) // a failed write is the client's leaving
}

// logout ends the session.
func (c *Console) logout(q *request) error {
	c.sessions.drop(c.token(q.r))
	cookie := c.cookie(q.r)
	cookie.MaxAge = -1
	http.SetCookie(q.w, cookie)
	q.w.Header().Set("Clear-Site-Data", `"storage"`)
	http.Redirect(q.w, q.r, "/login", http.StatusSeeOther)
	return nil
}

// setTheme keeps light, dark or the system's choice. It is no secret and changes nothing else.
func (c *Console) setTheme(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	cookie := &http.Cookie{Name: "glassine_theme", Value: r.PostFormValue("theme"), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: 365 * 24 * 3600, Secure: c.secure(r)}
	if cookie.Value != "light" && cookie.Value != "dark" {
		cookie.Value, cookie.MaxAge = "", -1
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, back(r.PostFormValue("to")), http.StatusSeeOther)
}
