package geo

import (
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Followed is a Database that is opened anew when one of its files is another. It is safe for many goroutines.
type Followed struct {
	files   []string
	current atomic.Pointer[Database]
	stop    chan struct{}
	running sync.WaitGroup
	once    sync.Once
}

// followEvery is how often the files are looked at. Databases come out some times a week.
const followEvery = 10 * time.Second

// Follow opens databases as Open does, and looks at their files now and then. When they cannot be opened any more, the last that
// could be stay, and failed is called with the reason, once for each change. The caller closes the Followed.
func Follow(files []string, failed func(error)) (*Followed, error) {
	seen := stat(files)
	d, err := Open(files...)
	if err != nil {
		return nil, err
	}
	f := &Followed{files: files, stop: make(chan struct{})}
	f.current.Store(d)
	f.running.Go(func() { f.follow(seen, failed) })
	return f, nil
}

func (f *Followed) follow(seen []os.FileInfo, failed func(error)) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
		now := stat(f.files)
		if slices.EqualFunc(seen, now, same) {
			continue
		}
		seen = now
		d, err := Open(f.files...)
		if err != nil {
			failed(err)
			continue
		}
		f.current.Store(d) // the memory of the one before goes when nobody looks into it any more
	}
}

// stat returns what is known of the files; nil for one that is not there.
func stat(files []string) []os.FileInfo {
	out := make([]os.FileInfo, len(files))
	for i, file := range files {
		out[i], _ = os.Stat(file)
	}
	return out
}

// same reports whether a file is what it was.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// Place is Database.Place of the database as it is now.
func (f *Followed) Place(a netip.Addr) Place { return f.current.Load().Place(a) }

// Close ends the following; Place goes on with what there is.
func (f *Followed) Close() error {
	f.once.Do(func() { close(f.stop) })
	f.running.Wait()
	return nil
}
