package vips

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Args are the arguments of an operation by the names of its properties. A value is a bool, an int, a float64, a string (also
// for an enumeration or a set of flags, by its nick), an *Image, a []byte (not copied: unchanged until Session.Close),
// []int, []float64 or []*Image.
type Args map[string]any

// Session is one job's use of the library. It owns the images that its methods return and pins the bytes that it is given;
// Close lets go of them all. It belongs to one goroutine.
type Session struct {
	l      *Library
	images []*Image
	pins   runtime.Pinner
}

// Close ends the session. Its images must not be used any more.
func (s *Session) Close() {
	for i := len(s.images) - 1; i >= 0; i-- {
		s.l.gObjectUnref(s.images[i].p)
		s.images[i].p = nil
	}
	s.images = nil
	s.pins.Unpin()
	s.l.threadShutdown()
	s.l.errorClear()
	runtime.UnlockOSThread()
}

// Image runs an operation and returns its output "out". Errors are *Error, or a plain error for arguments that the
// operation does not have.
func (s *Session) Image(operation string, in Args) (*Image, error) {
	out, err := s.Call(operation, in, "out")
	if err != nil {
		return nil, err
	}
	return out[0].(*Image), nil
}

// Bytes runs an operation that saves to memory and returns a copy of its output "buffer".
func (s *Session) Bytes(operation string, in Args) ([]byte, error) {
	out, err := s.Call(operation, in, "buffer")
	if err != nil {
		return nil, err
	}
	return out[0].([]byte), nil
}

// Call runs an operation and returns the outputs named: *Image, int, float64, bool, string, []byte or []float64.
func (s *Session) Call(operation string, in Args, outputs ...string) ([]any, error) {
	l := s.l
	op := l.operationNew(operation)
	if op == nil {
		return nil, l.failure(operation)
	}
	defer l.gObjectUnref(op)
	for name, v := range in {
		if err := s.setProperty(op, name, v); err != nil {
			return nil, fmt.Errorf("libvips %s, argument %s: %w", operation, name, err)
		}
	}
	defer l.unrefOutputs(op)
	if l.objectBuild(op) != 0 {
		return nil, l.failure(operation)
	}
	out := make([]any, len(outputs))
	for i, name := range outputs {
		v, err := s.property(op, name)
		if err != nil {
			return nil, fmt.Errorf("libvips %s, output %s: %w", operation, name, err)
		}
		out[i] = v
	}
	return out, nil
}

// propertyType returns the GType of an object's property, 0 when it has none. GObject puts the class first in an instance, and
// GParamSpec (gparam.h) has its value_type behind an instance header, the name, and the flags.
func (s *Session) propertyType(object unsafe.Pointer, name string) uintptr {
	class := *(*unsafe.Pointer)(object)
	spec := s.l.gFindProperty(class, name)
	if spec == nil {
		return 0
	}
	return (*struct {
		class     unsafe.Pointer
		name      unsafe.Pointer
		flags     uint32
		valueType uintptr
	})(spec).valueType
}

func (s *Session) setProperty(object unsafe.Pointer, name string, v any) error {
	t := s.propertyType(object, name)
	if t == 0 {
		return fmt.Errorf("there is none of this name in libvips %s", s.l.version)
	}
	var value gvalue
	s.l.gValueInit(&value, t)
	defer s.l.gValueUnset(&value)
	if err := s.set(&value, v); err != nil {
		return err
	}
	s.l.gObjectSetProperty(object, name, &value)
	return nil
}

func (s *Session) property(object unsafe.Pointer, name string) (any, error) {
	t := s.propertyType(object, name)
	if t == 0 {
		return nil, fmt.Errorf("there is none of this name in libvips %s", s.l.version)
	}
	var value gvalue
	s.l.gValueInit(&value, t)
	defer s.l.gValueUnset(&value)
	s.l.gObjectGetProperty(object, name, &value)
	return s.get(&value)
}
