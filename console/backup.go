package console

// backupData is what the page of backups shows. A backup is made by the command line: the archive has every secret of the
// installation, and goes where its owner says, through no browser.
type backupData struct{ Command, Restore, Region string }

func backupPage(q *request) error {
	return q.show("backup", "backup", "Backup", backupData{"glassine backup glassine-backup.tar", "glassine restore glassine-backup.tar", q.c.cfg.Region})
}
