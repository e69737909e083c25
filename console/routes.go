package console

import (
	"net/http"
	"strings"
)

// maxUpload bounds an object that is uploaded through a page; larger ones go through the AWS CLI, in parts.
const maxUpload = 256 << 20

// maxArchive bounds a function's archive. (Lambda quotas: 50 MB zipped, direct upload.)
const maxArchive = 50 << 20

// routes are all pages and forms. A path that only shows is a GET and changes nothing.
func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	c.shown = []string{"/login"}
	mux.Handle("GET /static/{name}", c.assets)
	mux.HandleFunc("GET /login", c.loginPage)
	mux.HandleFunc("POST /login", c.login)
	mux.HandleFunc("POST /login/link", c.makeLink)
	mux.HandleFunc("POST /logout", c.action(maxForm, c.logout))
	mux.HandleFunc("POST /theme", c.setTheme)
	show := func(pattern string, h handler) {
		c.shown = append(c.shown, strings.TrimSuffix(pattern, "{$}"))
		mux.HandleFunc("GET "+pattern, c.page(h))
	}
	do := func(pattern string, h handler) { mux.HandleFunc("POST "+pattern, c.action(maxForm, h)) }

	show("/{$}", studioPage)
	send := func(pattern string, h handler) { mux.HandleFunc("GET "+pattern, c.page(h)) } // what is no page
	send("/studio/view", c.scripted(studioView))
	send("/studio/original", studioOriginal)
	send("/studio/thumbnail", studioThumbnail)
	send("/studio/hops", c.scripted(studioHops))
	send("/studio/live", c.scripted(studioLive))
	send("/studio/key", c.scripted(studioKey))
	send("/studio/drawer", c.scripted(studioDrawer))
	send("/studio/denied", c.scripted(studioDenied))
	mux.HandleFunc("POST /studio/upload", c.action(maxUpload, c.scripted(studioUpload)))
	do("/studio/sample", studioSample)
	do("/studio/purge", c.scripted(studioPurge))

	c.resourceRoutes(show, do, send, mux)
	mux.HandleFunc("/", c.page(func(q *request) error {
		q.problem = &problem{What: "There is no such page.", Why: "Nothing is served at " + q.r.URL.Path + ".", Status: http.StatusNotFound}
		return q.show("error", "", q.problem.What, nil)
	}))
	return mux
}

// resourceRoutes are the pages of everything that has a name.
func (c *Console) resourceRoutes(show, do, send func(string, handler), mux *http.ServeMux) {
	c.bucketRoutes(show, do, send, mux)
	c.pointRoutes(show, do)
	c.functionRoutes(show, mux)
	c.accessRoutes(show, do)
	c.edgeRoutes(show, do, send)
	c.stackRoutes(show, do, send, mux)
	c.guideRoutes(show, do)
	c.requestRoutes(show, send)
	show("/logs", logsPage)
	do("/logs", logsAction)
	send("/logs/tail", logsTail)
	show("/charts", chartsPage)
	show("/settings", settingsPage)
	show("/backup", backupPage)
	c.docRoutes(show)
}

// Pages are the patterns of all pages, as net/http's mux has them: what a test of all of them is to look at.
func Pages() []string {
	var c Console
	c.routes()
	return c.shown
}
