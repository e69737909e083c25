package render

import (
	"encoding/binary"
	"slices"
)

// exifField is libvips's name of the Exif block.
const exifField = "exif-data"

// maxExifJPEG is the longest block that a JPEG can hold: a segment's length is 16 bits and counts itself, and the block is
// introduced by "Exif\0\0" (Exif 3.0, section 4.7.2.2).
const maxExifJPEG = 65535 - 2 - 6

// exif is the block to put in, as libvips wants it for the result's format; nil for none. GIF has no place for one, and
// libvips none in a TIFF.
func (j *Job) exif() ([]byte, error) {
	if len(j.Exif) == 0 {
		return nil, nil
	}
	block := uprightExif(j.Exif)
	switch j.Format {
	case "jpeg":
		if len(block) > maxExifJPEG {
			return nil, &InputError{"The Exif block is too long for a JPEG."}
		}
		return append([]byte("Exif\x00\x00"), block...), nil
	case "png", "avif":
		return append([]byte("Exif\x00\x00"), block...), nil
	case "webp":
		return block, nil
	}
	return nil, nil
}

// uprightExif returns a copy of an Exif block that says orientation 1 where it says one: the pixels are upright already.
func uprightExif(block []byte) []byte {
	block = slices.Clone(block)
	if len(block) < 8 {
		return block
	}
	var order binary.ByteOrder = binary.BigEndian
	if block[0] == 'I' {
		order = binary.LittleEndian
	}
	// A chain of directories: the picture's, the thumbnail's. TIFF 6.0, section 2.
	at := uint64(order.Uint32(block[4:]))
	for range 2 {
		if at == 0 || at+2 > uint64(len(block)) {
			break
		}
		entries := uint64(order.Uint16(block[at:]))
		at += 2
		for ; entries > 0 && at+12 <= uint64(len(block)); entries-- {
			entry := block[at : at+12]
			const orientation, short = 274, 3
			if order.Uint16(entry) == orientation && order.Uint16(entry[2:]) == short {
				order.PutUint16(entry[8:], 1)
			}
			at += 12
		}
		if at+4 > uint64(len(block)) {
			break
		}
		at = uint64(order.Uint32(block[at:]))
	}
	return block
}
