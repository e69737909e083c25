package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"glassine/transform/metadata"
)

// place is a file within a folder that is open: nothing that is done to it leads out of that folder, whatever links there are.
type place struct {
	root *os.Root
	// name is below the root, with slashes.
	name string
	// shown is how the user would write it.
	shown string
}

// foundFile is a file to work on.
type foundFile struct {
	place
	// arg is which of the arguments led to it, and walked says that the argument is a folder.
	arg    int
	walked bool
}

// finder finds the files that arguments name.
type finder struct {
	roots map[string]*os.Root
	files []foundFile
	// problems are arguments and folders that could not be read; links counts the symbolic links that were not followed.
	problems []error
	links    int
	// skip is a folder that is left out, where results go; nil for none. skipName leaves out files by their names.
	skip     fs.FileInfo
	skipName func(string) bool
}

func newFinder() *finder { return &finder{roots: make(map[string]*os.Root)} }

// close closes all folders; no place is of use then.
func (f *finder) close() {
	for _, root := range f.roots {
		_ = root.Close() // nothing is written through it
	}
}

// root opens a folder, once.
func (f *finder) root(dir string) (*os.Root, error) {
	if root := f.roots[dir]; root != nil {
		return root, nil
	}
	root, err := os.OpenRoot(dir)
	if err == nil {
		f.roots[dir] = root
	}
	return root, err
}

// place returns the place of a path, whose folder must be there.
func (f *finder) place(file string) (place, error) {
	root, err := f.root(filepath.Dir(file))
	return place{root: root, name: filepath.Base(file), shown: file}, err
}

// find adds the files of the arguments: a file itself, also through a link, and of a folder all regular files below it.
func (f *finder) find(args []string) {
	for i, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err != nil:
		case info.IsDir():
			err = f.walk(i, arg)
		case !info.Mode().IsRegular():
			err = fmt.Errorf("%s: not a regular file", shownName(arg))
		default:
			err = f.file(i, arg)
		}
		if err != nil {
			f.problems = append(f.problems, err)
		}
	}
}

func (f *finder) file(arg int, name string) error {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	p, err := f.place(real)
	if err != nil {
		return err
	}
	p.shown = name
	f.files = append(f.files, foundFile{place: p, arg: arg})
	return nil
}

func (f *finder) walk(arg int, dir string) error {
	root, err := f.root(dir)
	if err != nil {
		return err
	}
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		shown := filepath.Join(dir, filepath.FromSlash(name))
		if err != nil {
			f.problems = append(f.problems, fmt.Errorf("%s: %w", shownName(shown), withoutPath(err)))
			return nil
		}
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			f.links++
		case d.IsDir():
			if info, err := d.Info(); err == nil && f.skip != nil && os.SameFile(info, f.skip) {
				return fs.SkipDir
			}
		case d.Type().IsRegular() && !isUnfinished(path.Base(name)) && (f.skipName == nil || !f.skipName(name)):
			f.files = append(f.files, foundFile{place: place{root, name, shown}, arg: arg, walked: true})
		}
		return nil
	})
}

// open opens the file for reading.
func (p place) open() (*os.File, fs.FileInfo, error) {
	f, err := p.root.Open(p.name)
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// errThere is the error of a result that would overwrite a file.
var errThere = errors.New("is there already; --force overwrites it")

// write makes the file anew with what fill writes: under another name first, which becomes the file's when all of it is on the
// disk. Until then, and after any error, the place is as it was. Without force a file that is there is errThere.
func (p place) write(mode fs.FileMode, force bool, fill func(io.Writer) error) (err error) {
	temp := path.Join(path.Dir(p.name), unfinishedHead+rand.Text()+unfinishedTail)
	f, err := p.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return withoutPath(err)
	}
	defer func() {
		f.Close() // after an error; else it was closed
		if err != nil {
			_ = p.root.Remove(temp) // it may be gone: renamed
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Chmod(mode.Perm()); err != nil {
		return withoutPath(err)
	}
	if err := f.Sync(); err != nil {
		return withoutPath(err)
	}
	if err := f.Close(); err != nil {
		return withoutPath(err)
	}
	if err := p.settle(temp, force); err != nil {
		return err
	}
	dir, err := p.root.Open(path.Dir(p.name))
	if err != nil {
		return withoutPath(err)
	}
	defer dir.Close()
	return dir.Sync()
}

// settle gives the file temp its name.
func (p place) settle(temp string, force bool) error {
	if force {
		return withoutPath(p.root.Rename(temp, p.name))
	}
	// A link fails where there is a file; a rename replaces it.
	err := p.root.Link(temp, p.name)
	if err == nil {
		return withoutPath(p.root.Remove(temp))
	}
	if p.exists() {
		return errThere
	}
	return withoutPath(p.root.Rename(temp, p.name)) // the file system has no links
}

func (p place) exists() bool {
	_, err := p.root.Lstat(p.name)
	return err == nil
}

// A result that is not finished has such a name. One that a crash left behind is no picture of anybody.
const unfinishedHead, unfinishedTail = ".glassine-", ".tmp"

func isUnfinished(name string) bool {
	return strings.HasPrefix(name, unfinishedHead) && strings.HasSuffix(name, unfinishedTail)
}

// withoutPath returns what is wrong without the name of the file, which whoever reports it puts before.
func withoutPath(err error) error {
	for {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
			continue
		}
		l, ok := errors.AsType[*os.LinkError](err)
		if !ok {
			return err
		}
		err = l.Err
	}
}

// isPictureName reports whether a file's name says that it is a picture, of whatever kind.
func isPictureName(name string) bool {
	return slices.Contains(strings.Fields(".jpg .jpeg .jpe .jfif .png .apng .webp .gif .tif .tiff .avif .heic .heif .hif .jxl .svg "+
		".bmp .psd .jp2 .ico .dng .cr2 .cr3 .nef .arw .raf .orf .rw2 .pef .srw"), strings.ToLower(path.Ext(name)))
}

// errNoPicture is the error of a file below a folder that neither is a picture nor says so by its name.
var errNoPicture = errors.New("no picture")

// notPicture returns errNoPicture for such a file, else err.
func (f foundFile) notPicture(err error) error {
	if u, ok := errors.AsType[*metadata.UnsupportedError](err); ok && f.walked && u.Format == "" && !isPictureName(f.name) {
		return errNoPicture
	}
	return err
}

// inOrder does work for the numbers below n on so many goroutines, and done for each number afterwards, in order and one at a time.
// When ctx is over it begins no more of them, and waits for what it has begun. It returns how many are done.
func inOrder[T any](ctx context.Context, n, jobs int, work func(int) T, done func(int, T)) int {
	results := make([]chan T, n)
	for i := range results {
		results[i] = make(chan T, 1)
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(jobs, n) {
		wg.Go(func() {
			for i := range next {
				results[i] <- work(i)
			}
		})
	}
	wg.Go(func() {
		defer close(next)
		for i := range n {
			if ctx.Err() == nil {
				select {
				case next <- i:
					continue
				case <-ctx.Done():
				}
			}
			for _, r := range results[i:] {
				close(r)
			}
			return
		}
	})
	count := 0
	for i, r := range results {
		v, ok := <-r
		if !ok {
			break
		}
		done(i, v)
		count++
	}
	wg.Wait()
	return count
}

// whole returns a source that can be read at any place: f itself when it is a regular file, else a copy of it on the disk, which is
// gone when it is closed.
func whole(f *os.File) (src *os.File, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if at, err := f.Seek(0, io.SeekCurrent); err == nil && at == 0 && info.Mode().IsRegular() {
		return f, info.Size(), nil
	}
	temp, err := os.CreateTemp("", "glassine-")
	if err != nil {
		return nil, 0, err
	}
	if err := os.Remove(temp.Name()); err != nil {
		temp.Close()
		return nil, 0, err
	}
	if size, err = io.Copy(temp, f); err != nil {
		temp.Close()
		return nil, 0, fmt.Errorf("read standard input: %w", err)
	}
	return temp, size, nil
}
