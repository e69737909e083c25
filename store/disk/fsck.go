package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"glassine/store"
)

// FsckOptions says how to check a directory. Its zero value checks everything and changes nothing.
type FsckOptions struct {
	Quick         bool       // look at the lengths of the blobs, and do not read them
	RemoveOrphans bool       // delete the files that the index does not know
	Keys          [][32]byte // as in Options: with them, that every data key can be unwrapped is checked too
}

// Fsck checks the store in dir, which must not be open: that the index is whole, that it and the blobs agree, and that
// every blob has its length and checksum. It calls report with each problem, and returns an error when it could not go
// on; ErrLocked when the store is open. It takes some 60 bytes of memory for every blob.
func Fsck(ctx context.Context, dir string, opt FsckOptions, report func(Problem)) (Checked, error) {
	c, err := fsck(ctx, dir, opt, report)
	if err != nil {
		return c, fmt.Errorf("check object store %s: %w", dir, err)
	}
	return c, nil
}

func fsck(ctx context.Context, dir string, opt FsckOptions, report func(Problem)) (Checked, error) {
	path := filepath.Join(dir, "index.db")
	if _, err := os.Stat(path); err != nil { // bbolt would make one
		return Checked{}, err
	}
	// The exclusive lock, for else a store could be opened meanwhile.
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType, PreLoadFreelist: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return Checked{}, ErrLocked
	}
	if err != nil {
		return Checked{}, err
	}
	keys, err := newKeys(opt.Keys)
	if err != nil {
		return Checked{}, errors.Join(err, db.Close())
	}
	k := &checker{
		opt: opt, path: path, report: report, index: &index{db: db},
		blobs: &blobs{dir: filepath.Join(dir, "objects"), keys: keys},
		refs:  make(map[blobID]uint64), manifests: make(map[store.ID]uint64), uploads: make(map[store.ID]bool),
	}
	err = k.run(ctx)
	return k.checked, errors.Join(err, db.Close())
}

// checker is one Fsck.
type checker struct {
	opt     FsckOptions
	path    string // of the index
	report  func(Problem)
	index   *index
	blobs   *blobs
	checked Checked

	refs      map[blobID]uint64   // to each blob, counted; those that compareBlobs has come to are gone
	manifests map[store.ID]uint64 // likewise
	uploads   map[store.ID]bool   // under way
}

func (k *checker) run(ctx context.Context) error {
	err := k.index.view(func(t *txn) error {
		for _, name := range dataBuckets {
			if t.tx.Bucket(name) == nil {
				return errors.New("not the index of a glassine store, or of another version of it")
			}
		}
		for err := range t.tx.Check() {
			k.problem(k.path, fmt.Errorf("%w: %w", store.ErrCorrupt, err))
		}
		return nil
	})
	for _, step := range []func(context.Context) error{
		k.countRecords, k.countUploads, k.compareManifests, k.countParts, k.compareBlobs, k.findOrphans,
	} {
		if err != nil {
			return err
		}
		err = step(ctx)
	}
	return err
}

func (k *checker) problem(file string, err error, objects ...string) {
	k.checked.Problems++
	k.report(Problem{File: file, Objects: objects, Err: err})
}

// damaged reports an entry of the index that cannot be read.
func (k *checker) damaged(what string, err error) {
	k.problem(k.path, fmt.Errorf("%w: %w", store.ErrCorrupt, err), what)
}

// countRecords counts what the records of objects refer to.
func (k *checker) countRecords(ctx context.Context) error {
	for _, top := range [][]byte{objectsBucket, versionsBucket} {
		err := k.index.stepsInEvery(ctx, top, func(bucket string, key, v []byte) error {
			r, err := decodeRecord(v)
			switch {
			case err != nil:
				k.damaged(fmt.Sprintf("%s/%q", bucket, key), err)
			case r.info.DeleteMarker:
			case r.info.PartCount > 0:
				k.manifests[r.content.manifest]++
			default:
				k.refs[r.content.blob]++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *checker) countUploads(ctx context.Context) error {
	return k.index.stepsInEvery(ctx, uploadsBucket, func(bucket string, key, v []byte) error {
		name, tail, ok := splitEntryKey(key)
		_, err := decodeUpload(v)
		if !ok || len(tail) != len(store.ID{}) {
			err = errRecord
		} else {
			k.uploads[store.ID(tail)] = true
		}
		if err != nil {
			k.damaged(fmt.Sprintf("%s/%q (upload)", bucket, name), err)
		}
		return nil
	})
}

// compareManifests compares the counts of manifests with those found.
func (k *checker) compareManifests(ctx context.Context) error {
	found := 0
	err := k.index.steps(ctx, manifestsBucket, nil, func(key, v []byte) error {
		n, ok := binary.Uvarint(v)
		if len(key) != len(store.ID{}) || ok <= 0 {
			k.damaged(fmt.Sprintf("manifest %x", key), errRecord)
			return nil
		}
		if want := k.manifests[store.ID(key)]; n != want {
			k.damaged(fmt.Sprintf("manifest %x", key), fmt.Errorf("counted %d times, %d objects have it", n, want))
		}
		if k.manifests[store.ID(key)] > 0 {
			found++
		}
		return nil
	})
	if missing := len(k.manifests) - found; err == nil && missing > 0 {
		k.damaged("manifests", fmt.Errorf("%d that objects need are missing", missing))
	}
	return err
}

// countParts counts what parts refer to.
func (k *checker) countParts(ctx context.Context) error {
	return k.index.steps(ctx, partsBucket, nil, func(key, v []byte) error {
		p, err := decodePart(key, v)
		if err == nil {
			if id := store.ID(key[:len(store.ID{})]); k.manifests[id] == 0 && !k.uploads[id] {
				err = errors.New("part of no object and of no upload")
			}
		}
		if err != nil {
			k.damaged(fmt.Sprintf("part %x", key), err)
		}
		for _, seg := range p.segments {
			k.refs[seg.blob]++
		}
		return nil
	})
}

// compareBlobs compares the counts of blobs with those found, and every blob with its file. That it reads files within a
// transaction harms nobody: there is no writer.
func (k *checker) compareBlobs(ctx context.Context) error {
	err := k.index.steps(ctx, blobsBucket, nil, func(key, v []byte) error {
		id := decodeBlobID(key)
		needed := k.refs[id]
		delete(k.refs, id)
		rec, err := decodeBlob(v)
		if err != nil {
			k.damaged("blob "+k.blobs.path(id), err)
			return nil
		}
		if needed != rec.refs {
			k.damaged("blob "+k.blobs.path(id), fmt.Errorf("counted %d times, %d objects and parts have it", rec.refs, needed))
		}
		return k.compareFile(ctx, id, rec)
	})
	for id := range k.refs { // what is left was not in the index
		if err != nil {
			return err
		}
		err = k.lost(ctx, k.blobs.path(id), id, fmt.Errorf("%w: the index has lost the blob", store.ErrCorrupt))
	}
	return err
}

// lost reports a problem with a blob, and what needs it.
func (k *checker) lost(ctx context.Context, file string, id blobID, err error) error {
	owners, _, ownersErr := k.index.owners(ctx, id)
	k.problem(file, err, owners...)
	return ownersErr
}

func (k *checker) compareFile(ctx context.Context, id blobID, rec blobRecord) error {
	var err error
	if k.opt.Quick {
		f, openErr := k.blobs.open(id, rec)
		if err = openErr; err == nil {
			f.Close()
		}
	} else {
		err = k.blobs.verify(ctx, id, rec, nil)
		k.checked.Bytes += rec.fileSize()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	k.checked.Blobs++
	if err == nil {
		return nil
	}
	return k.lost(ctx, k.blobs.path(id), id, corrupt(err))
}

// findOrphans looks for files that the index does not know. A crash leaves some; they take room and do no harm.
func (k *checker) findOrphans(ctx context.Context) error {
	for dir := range fanOut {
		err := k.blobs.walkDir(ctx, byte(dir), func(ids []blobID) error {
			var orphans []blobID
			err := k.index.view(func(t *txn) error {
				for _, id := range ids {
					if t.tx.Bucket(blobsBucket).Get(id.encode()) == nil {
						orphans = append(orphans, id)
					}
				}
				return nil
			})
			for _, id := range orphans {
				k.checked.Problems++
				k.report(Problem{File: k.blobs.path(id), Orphan: true, Err: errors.New("the index does not know this file")})
				if _, needed := k.refs[id]; k.opt.RemoveOrphans && !needed {
					err = errors.Join(err, k.blobs.remove(id))
				}
			}
			return err
		})
		if errors.Is(err, fs.ErrNotExist) { // Open makes it again
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}
