package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"glassine/packed"
	"glassine/store"
)

// blobRecord is what the index keeps of every blob that it refers to, under the blob's id:
//
//	refs   how many objects and segments refer to it
//	size   of the plaintext, bytes
//	crc    CRC64NVME of the file, 8 bytes big-endian
//	key    of an encrypted blob: its data key as keys.wrap made it; the rest of the record
type blobRecord struct {
	refs uint64
	size int64
	crc  uint64
	key  []byte
}

func (b blobRecord) encode() []byte {
	e := encoder{append(make([]byte, 0, 96), recordVersion)}
	e.uvarint(b.refs)
	e.uvarint(uint64(b.size))
	return append(binary.BigEndian.AppendUint64(e.b, b.crc), b.key...)
}

// decodeBlob reads what encode wrote. It keeps nothing of v.
func decodeBlob(v []byte) (blobRecord, error) {
	d := decoder{packed.Reader{Rest: v}}
	version := d.Byte()
	b := blobRecord{refs: d.Uint(), size: d.size()}
	crc := d.Bytes(8)
	if d.Bad() || version != recordVersion || b.refs == 0 || len(d.Rest) != 0 && len(d.Rest) != wrappedLen {
		return blobRecord{}, errRecord
	}
	b.crc = binary.BigEndian.Uint64(crc)
	if len(d.Rest) > 0 {
		b.key = bytes.Clone(d.Rest)
	}
	return b, nil
}

// blob returns the record of a blob, which must be there.
func (t *txn) blob(id blobID) (blobRecord, error) {
	v := t.tx.Bucket(blobsBucket).Get(id.encode())
	if v == nil {
		return blobRecord{}, fmt.Errorf("blob %x of run %d: %w", id.seq, id.run, errRecord)
	}
	return decodeBlob(v)
}

func (t *txn) putBlob(id blobID, b blobRecord) error {
	return t.tx.Bucket(blobsBucket).Put(id.encode(), b.encode())
}

// share counts one more reference to a blob.
func (t *txn) share(id blobID) error {
	b, err := t.blob(id)
	if err != nil {
		return err
	}
	b.refs++
	return t.putBlob(id, b)
}

// unref counts one reference less, and forgets the blob with the last.
func (t *txn) unref(id blobID) error {
	b, err := t.blob(id)
	if err != nil {
		return err
	}
	if b.refs--; b.refs > 0 {
		return t.putBlob(id, b)
	}
	t.freed = append(t.freed, id)
	return t.tx.Bucket(blobsBucket).Delete(id.encode())
}

// release counts one reference less to what r refers to.
func (t *txn) release(r record) error {
	switch {
	case r.info.DeleteMarker:
		return nil
	case r.info.PartCount == 0:
		return t.unref(r.content.blob)
	}
	refs, err := t.manifestRefs(r.content.manifest)
	if err != nil {
		return err
	}
	if refs > 1 {
		return t.putManifest(r.content.manifest, refs-1)
	}
	if err := t.dropParts(r.content.manifest, nil); err != nil {
		return err
	}
	return t.tx.Bucket(manifestsBucket).Delete(r.content.manifest[:])
}

// retain counts one reference more to what r refers to.
func (t *txn) retain(r record) error {
	if r.info.PartCount == 0 {
		return t.share(r.content.blob)
	}
	refs, err := t.manifestRefs(r.content.manifest)
	if err != nil {
		return err
	}
	return t.putManifest(r.content.manifest, refs+1)
}

// manifestRefs returns how many objects have this manifest.
func (t *txn) manifestRefs(id store.ID) (uint64, error) {
	refs, n := binary.Uvarint(t.tx.Bucket(manifestsBucket).Get(id[:]))
	if n <= 0 || refs == 0 {
		return 0, fmt.Errorf("manifest %s: %w", id, errRecord)
	}
	return refs, nil
}

func (t *txn) putManifest(id store.ID, refs uint64) error {
	return t.tx.Bucket(manifestsBucket).Put(id[:], binary.AppendUvarint(nil, refs))
}

// parts calls f with the parts of an upload or a manifest from number from on, until f returns false.
func (t *txn) parts(id store.ID, from int, f func(partRecord) bool) error {
	c := t.tx.Bucket(partsBucket).Cursor()
	for k, v := c.Seek(partKey(id, from)); bytes.HasPrefix(k, id[:]); k, v = c.Next() {
		p, err := decodePart(k, v)
		if err != nil {
			return fmt.Errorf("part %x: %w", k, err)
		}
		if !f(p) {
			return nil
		}
	}
	return nil
}

// dropParts deletes the parts of an upload or a manifest, but for those whose numbers keep has.
func (t *txn) dropParts(id store.ID, keep map[int]bool) error {
	var drop []partRecord
	err := t.parts(id, 0, func(p partRecord) bool {
		if !keep[p.info.Number] {
			drop = append(drop, p)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, p := range drop {
		if err := t.dropPart(id, p); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) dropPart(id store.ID, p partRecord) error {
	for _, s := range p.segments {
		if err := t.unref(s.blob); err != nil {
			return err
		}
	}
	return t.tx.Bucket(partsBucket).Delete(partKey(id, p.info.Number))
}
