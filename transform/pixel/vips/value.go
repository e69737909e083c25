package vips

import (
	"fmt"
	"unsafe"
)

// gvalue is GObject's GValue (gvalue.h): a type and two words.
type gvalue struct {
	typ uintptr
	_   [2]uint64
}

// The fundamental types of GObject (gtype.h), each its number shifted left by two.
const (
	typeBoolean = 5 << 2
	typeInt     = 6 << 2
	typeUint64  = 11 << 2
	typeEnum    = 12 << 2
	typeFlags   = 13 << 2
	typeDouble  = 15 << 2
	typeString  = 16 << 2
	typeBoxed   = 18 << 2
	typeObject  = 20 << 2
)

// set puts v into value, which has the type that it must have.
func (s *Session) set(value *gvalue, v any) error {
	l := s.l
	switch fundamental := l.gTypeFundamental(value.typ); v := v.(type) {
	case bool:
		if fundamental == typeBoolean {
			var n int32
			if v {
				n = 1
			}
			l.gSetBoolean(value, n)
			return nil
		}
	case int:
		switch fundamental {
		case typeInt:
			l.gSetInt(value, int32(v))
			return nil
		case typeUint64:
			l.gSetUint64(value, uint64(v))
			return nil
		case typeDouble:
			l.gSetDouble(value, float64(v))
			return nil
		case typeFlags:
			l.gSetFlags(value, uint32(v))
			return nil
		}
	case float64:
		switch {
		case fundamental == typeDouble:
			l.gSetDouble(value, v)
			return nil
		case value.typ == l.doublesType():
			return s.set(value, []float64{v})
		}
	case string:
		return s.setString(value, fundamental, v)
	case *Image:
		if fundamental == typeObject {
			l.gSetObject(value, v.p)
			return nil
		}
	default:
		return s.setBoxed(value, v)
	}
	return fmt.Errorf("%v (%T) does not fit", v, v)
}

func (s *Session) setString(value *gvalue, fundamental uintptr, v string) error {
	l := s.l
	switch fundamental {
	case typeString:
		l.gSetString(value, v)
	case typeEnum:
		n := l.enumFromNick("glassine", value.typ, v)
		if n < 0 {
			l.errorClear()
			return fmt.Errorf("%q is none of its values", v)
		}
		l.gSetEnum(value, n)
	case typeFlags:
		n := l.flagsFromNick("glassine", value.typ, v)
		if n < 0 {
			l.errorClear()
			return fmt.Errorf("%q is none of its flags", v)
		}
		l.gSetFlags(value, uint32(n))
	default:
		return fmt.Errorf("%q, a string, does not fit", v)
	}
	return nil
}

// setBoxed puts a slice into a value of one of libvips's boxed types.
func (s *Session) setBoxed(value *gvalue, v any) error {
	l := s.l
	switch v := v.(type) {
	case []byte:
		if value.typ == l.blobType() {
			s.pins.Pin(unsafe.SliceData(v))
			blob := l.blobNew(nil, unsafe.Pointer(unsafe.SliceData(v)), uintptr(len(v)))
			l.gSetBoxed(value, blob) // takes a reference of its own
			l.areaUnref(blob)
			return nil
		}
	case []int:
		if value.typ == l.intsType() {
			c := make([]int32, len(v))
			for i, n := range v {
				c[i] = int32(n)
			}
			l.setInts(value, unsafe.Pointer(unsafe.SliceData(c)), int32(len(c)))
			return nil
		}
	case []float64:
		if value.typ == l.doublesType() {
			l.setDoubles(value, unsafe.Pointer(unsafe.SliceData(v)), int32(len(v)))
			return nil
		}
	case []*Image:
		if value.typ == l.imagesType() {
			l.setImages(value, int32(len(v)))
			var n int32
			slots := unsafe.Slice((*unsafe.Pointer)(l.getImages(value, &n)), len(v))
			for i, image := range v {
				slots[i] = l.gObjectRef(image.p)
			}
			return nil
		}
	}
	return fmt.Errorf("%T does not fit", v)
}

// get copies what value holds; an image becomes the session's.
func (s *Session) get(value *gvalue) (any, error) {
	l := s.l
	switch l.gTypeFundamental(value.typ) {
	case typeBoolean:
		return l.gGetBoolean(value) != 0, nil
	case typeInt:
		return int(l.gGetInt(value)), nil
	case typeDouble:
		return l.gGetDouble(value), nil
	case typeString:
		return l.gGetString(value), nil
	case typeObject:
		p := l.gGetObject(value)
		if p == nil {
			return nil, fmt.Errorf("it is not set")
		}
		return s.own(l.gObjectRef(p)), nil
	case typeBoxed:
		return s.getBoxed(value)
	}
	return nil, fmt.Errorf("its type is not known to this binding")
}

func (s *Session) getBoxed(value *gvalue) (any, error) {
	l := s.l
	var n int32
	switch value.typ {
	case l.blobType():
		boxed := l.gGetBoxed(value)
		if boxed == nil {
			return nil, fmt.Errorf("it is not set")
		}
		var size uintptr
		data := l.blobGet(boxed, &size)
		return append([]byte{}, unsafe.Slice((*byte)(data), size)...), nil
	case l.doublesType():
		data := l.getDoubles(value, &n)
		return append([]float64{}, unsafe.Slice((*float64)(data), n)...), nil
	case l.intsType():
		data := l.getInts(value, &n)
		out := make([]int, n)
		for i, v := range unsafe.Slice((*int32)(data), n) {
			out[i] = int(v)
		}
		return out, nil
	}
	return nil, fmt.Errorf("its type is not known to this binding")
}
