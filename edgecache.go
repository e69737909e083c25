package glassine

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// The size of the edge's cache on disk where Config.CacheDiskBytes does not say it, in bytes: cacheDisk, or a half of what there
// is room for; none where that is less than leastCacheDisk.
const (
	cacheDisk      = 10 << 30
	leastCacheDisk = 64 << 20
)

// edgeCache returns where the edge's cache is on disk and what it may take there; "" for nowhere.
func edgeCache(cfg Config) (dir string, bytes int64) {
	if cfg.CacheDiskBytes < 0 {
		return "", 0
	}
	dir = filepath.Join(cfg.Data, "cache")
	if cfg.CacheDiskBytes > 0 {
		return dir, cfg.CacheDiskBytes
	}
	room, err := roomFor(cfg.Data, dir)
	if err != nil {
		cfg.Log.Warn("room for the disk cache is not known", slog.String("error", err.Error()))
		return dir, cacheDisk
	}
	if bytes = min(cacheDisk, room/2); bytes < leastCacheDisk {
		cfg.Log.Warn("disk cache is off: the file system is nearly full", slog.Int64("bytes", room))
		return "", 0
	}
	return dir, bytes
}

// roomFor is how many bytes are free on the file system of data, and what the files of dir have.
func roomFor(data, dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(data, &s); err != nil {
		return 0, err
	}
	room := int64(s.Bavail) * int64(s.Bsize) //nolint:unconvert // 32 bits on other machines
	err := fs.WalkDir(os.DirFS(dir), ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // what cannot be read has no room to give
		}
		if info, err := d.Info(); err == nil {
			room += info.Size()
		}
		return nil
	})
	return room, err
}
