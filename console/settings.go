package console

// settingsData is what the program says of itself, and who is logged in until when.
type settingsData struct {
	Groups []factGroup
	Who    string
	Key    string
	Until  string
	Level  string
	Why    []string
}

type factGroup struct {
	Name  string
	Facts []Fact
}

func settingsPage(q *request) error {
	d := settingsData{Who: q.s.identity.Arn, Key: q.s.key, Until: q.s.until.UTC().Format("15:04 MST")}
	if q.c.cfg.Facts != nil {
		for _, f := range q.c.cfg.Facts() {
			if len(d.Groups) == 0 || d.Groups[len(d.Groups)-1].Name != f.Group {
				d.Groups = append(d.Groups, factGroup{Name: f.Group})
			}
			g := &d.Groups[len(d.Groups)-1]
			g.Facts = append(g.Facts, f)
		}
	}
	if q.c.cfg.Isolation != nil {
		d.Level, d.Why = q.c.cfg.Isolation()
	}
	return q.show("settings", "gear", "Settings", d)
}
