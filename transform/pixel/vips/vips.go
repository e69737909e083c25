// Package vips calls libvips, the image library (libvips.org), through purego: no C compiler is needed and the library is chosen
// when the program runs. It is a thin binding. Operations are called by the names that "vips -l" prints, with arguments by the
// names of their properties; what they mean is in libvips's own reference (libvips.org/API/current).
//
// It knows nothing of jobs and keeps no picture from harm: a fault inside the C library ends the process.
//
// Start at Open, then Library.Begin and Session.Image.
package vips

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Options say how the library is set up. They hold for the whole process, as libvips has one state in it.
type Options struct {
	// SVG lets SVG pictures be loaded, by a loader that libvips calls untrusted. For a process that does nothing else.
	SVG bool
}

// Library is libvips, loaded. Its methods may be called by one goroutine at a time.
type Library struct {
	symbols
	version string
}

// Error is what libvips says about a call that it refused.
type Error struct {
	Operation string // such as "jpegload_buffer"
	Text      string // lines from the library, for a log: it may quote the input
}

func (e *Error) Error() string { return "libvips " + e.Operation + ": " + e.Text }

// opened guards against a second library in the process: libvips and glib keep state per process.
var opened struct {
	sync.Mutex
	library *Library // guarded by Mutex
	path    string
	options Options
}

// Open loads the library from a file, such as libvips-cpp.so.8.18.7 of npm's @img/sharp-libvips-linux-x64 or a system's
// libvips.so.42, and sets it up for one job at a time: one thread an operation, no cache of operations, no loader that libvips
// calls untrusted. It must be 8.15 or newer: older ones cannot be told which metadata to keep. A process has one library: a
// second Open of the same with the same Options returns it, any other is an error.
func Open(path string, o Options) (*Library, error) {
	opened.Lock()
	defer opened.Unlock()
	if opened.library != nil {
		if opened.path != path || opened.options != o {
			return nil, fmt.Errorf("load libvips %s: this process has loaded %s", path, opened.path)
		}
		return opened.library, nil
	}
	l, err := load(path, o)
	if err != nil {
		return nil, fmt.Errorf("load libvips %s: %w", path, err)
	}
	opened.library, opened.path, opened.options = l, path, o
	return l, nil
}

func load(path string, o Options) (*Library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	l := &Library{}
	if err := l.bind(handle); err != nil {
		return nil, err
	}
	major, minor, micro := l.vipsVersion(0), l.vipsVersion(1), l.vipsVersion(2)
	l.version = fmt.Sprintf("%d.%d.%d", major, minor, micro)
	if tooOld(major, minor) {
		return nil, fmt.Errorf("it is libvips %s, 8.15 or newer is needed", l.version)
	}
	// Warnings would go to the process's standard error, and quote strangers' files there. vips_init looks for this name.
	if err := l.Setenv("VIPS_WARNING", "0"); err != nil {
		return nil, err
	}
	if l.vipsInit("glassine") != 0 {
		return nil, l.failure("init")
	}
	l.concurrencySet(1)
	l.cacheSetMax(0)
	l.blockUntrustedSet(1)
	if o.SVG {
		l.operationBlockSet("VipsForeignLoadSvg", 0)
	}
	return l, nil
}

// tooOld says whether a version cannot do: 8.15 brought the property "keep" of savers.
func tooOld(major, minor int32) bool { return major < 8 || major == 8 && minor < 15 }

// Version returns the library's version, such as "8.18.7".
func (l *Library) Version() string { return l.version }

// Setenv sets a variable of the C library's environment, which os.Setenv does not reach in a program without cgo.
func (l *Library) Setenv(name, value string) error {
	if l.gSetenv(name, value, 1) == 0 {
		return errors.New("set " + name + " in the environment of libvips")
	}
	return nil
}

// Has says whether the library has an operation, such as "heifsave_buffer".
func (l *Library) Has(operation string) bool {
	op := l.operationNew(operation)
	if op == nil {
		l.errorClear()
		return false
	}
	l.gObjectUnref(op)
	return true
}

// failure takes what the library has written about its last error.
func (l *Library) failure(operation string) error {
	text := strings.TrimSpace(l.errorBuffer())
	l.errorClear()
	if text == "" {
		text = "no reason given"
	}
	return &Error{Operation: operation, Text: text}
}

// Begin starts a session. It keeps the calling goroutine on its thread until Session.Close, since libvips keeps buffers by
// thread.
func (l *Library) Begin() *Session {
	runtime.LockOSThread()
	l.errorClear()
	return &Session{l: l}
}

// symbols are the C functions in use. Those with a variable number of arguments are avoided: their calling convention differs
// on some machines.
type symbols struct {
	vipsInit          func(argv0 string) int32
	vipsVersion       func(flag int32) int32
	concurrencySet    func(n int32)
	cacheSetMax       func(n int32)
	blockUntrustedSet func(state int32)
	operationBlockSet func(class string, state int32)
	threadShutdown    func()
	errorBuffer       func() string
	errorClear        func()

	operationNew   func(name string) unsafe.Pointer
	objectBuild    func(object unsafe.Pointer) int32
	unrefOutputs   func(object unsafe.Pointer)
	findLoadBuffer func(data unsafe.Pointer, size uintptr) string

	enumFromNick  func(domain string, enum uintptr, nick string) int32
	enumNick      func(enum uintptr, value int32) string
	flagsFromNick func(domain string, flags uintptr, nick string) int32

	imageWidth          func(image unsafe.Pointer) int32
	imageHeight         func(image unsafe.Pointer) int32
	imageBands          func(image unsafe.Pointer) int32
	imageFormat         func(image unsafe.Pointer) int32
	imageInterpretation func(image unsafe.Pointer) int32
	imageHasAlpha       func(image unsafe.Pointer) int32
	imageFields         func(image unsafe.Pointer) unsafe.Pointer
	imageTypeof         func(image unsafe.Pointer, name string) uintptr
	imageGet            func(image unsafe.Pointer, name string, value *gvalue) int32
	imageSet            func(image unsafe.Pointer, name string, value *gvalue)
	imageRemove         func(image unsafe.Pointer, name string) int32
	imageFromMemory     func(data unsafe.Pointer, size uintptr, width, height, bands, format int32) unsafe.Pointer
	imageMatrix         func(width, height int32, data unsafe.Pointer, size int32) unsafe.Pointer
	imageCopyMemory     func(image unsafe.Pointer) unsafe.Pointer
	imageToMemory       func(image unsafe.Pointer, size *uintptr) unsafe.Pointer
	formatType          func() uintptr
	interpretationType  func() uintptr

	blobNew     func(free, data unsafe.Pointer, size uintptr) unsafe.Pointer
	blobGet     func(blob unsafe.Pointer, size *uintptr) unsafe.Pointer
	blobType    func() uintptr
	blobCopy    func(data unsafe.Pointer, size uintptr) unsafe.Pointer
	areaUnref   func(area unsafe.Pointer)
	setInts     func(value *gvalue, data unsafe.Pointer, n int32)
	setDoubles  func(value *gvalue, data unsafe.Pointer, n int32)
	setImages   func(value *gvalue, n int32)
	getImages   func(value *gvalue, n *int32) unsafe.Pointer
	getInts     func(value *gvalue, n *int32) unsafe.Pointer
	getDoubles  func(value *gvalue, n *int32) unsafe.Pointer
	intsType    func() uintptr
	doublesType func() uintptr
	imagesType  func() uintptr

	gSetenv            func(name, value string, overwrite int32) int32
	gFree              func(memory unsafe.Pointer)
	gStrfreev          func(list unsafe.Pointer)
	gObjectRef         func(object unsafe.Pointer) unsafe.Pointer
	gObjectUnref       func(object unsafe.Pointer)
	gObjectSetProperty func(object unsafe.Pointer, name string, value *gvalue)
	gObjectGetProperty func(object unsafe.Pointer, name string, value *gvalue)
	gFindProperty      func(class unsafe.Pointer, name string) unsafe.Pointer
	gTypeFundamental   func(t uintptr) uintptr
	gValueInit         func(value *gvalue, t uintptr) *gvalue
	gValueUnset        func(value *gvalue)
	gSetBoolean        func(value *gvalue, v int32)
	gSetInt            func(value *gvalue, v int32)
	gSetUint64         func(value *gvalue, v uint64)
	gSetDouble         func(value *gvalue, v float64)
	gSetString         func(value *gvalue, v string)
	gSetEnum           func(value *gvalue, v int32)
	gSetFlags          func(value *gvalue, v uint32)
	gSetObject         func(value *gvalue, object unsafe.Pointer)
	gSetBoxed          func(value *gvalue, boxed unsafe.Pointer)
	gGetBoolean        func(value *gvalue) int32
	gGetInt            func(value *gvalue) int32
	gGetDouble         func(value *gvalue) float64
	gGetString         func(value *gvalue) string
	gGetObject         func(value *gvalue) unsafe.Pointer
	gGetBoxed          func(value *gvalue) unsafe.Pointer
}

// bind finds every symbol in the library or in what it links.
func (s *symbols) bind(handle uintptr) error {
	for name, function := range map[string]any{
		"vips_init": &s.vipsInit, "vips_version": &s.vipsVersion, "vips_concurrency_set": &s.concurrencySet,
		"vips_cache_set_max": &s.cacheSetMax, "vips_block_untrusted_set": &s.blockUntrustedSet,
		"vips_operation_block_set": &s.operationBlockSet, "vips_thread_shutdown": &s.threadShutdown,
		"vips_error_buffer": &s.errorBuffer, "vips_error_clear": &s.errorClear,
		"vips_operation_new": &s.operationNew, "vips_object_build": &s.objectBuild,
		"vips_object_unref_outputs": &s.unrefOutputs, "vips_foreign_find_load_buffer": &s.findLoadBuffer,
		"vips_enum_from_nick": &s.enumFromNick, "vips_enum_nick": &s.enumNick, "vips_flags_from_nick": &s.flagsFromNick,
		"vips_image_get_width": &s.imageWidth, "vips_image_get_height": &s.imageHeight, "vips_image_get_bands": &s.imageBands,
		"vips_image_get_format": &s.imageFormat, "vips_image_get_interpretation": &s.imageInterpretation,
		"vips_image_hasalpha": &s.imageHasAlpha, "vips_image_get_fields": &s.imageFields, "vips_image_get_typeof": &s.imageTypeof,
		"vips_image_get": &s.imageGet, "vips_image_set": &s.imageSet, "vips_image_remove": &s.imageRemove,
		"vips_image_new_from_memory_copy": &s.imageFromMemory, "vips_image_new_matrix_from_array": &s.imageMatrix,
		"vips_image_copy_memory": &s.imageCopyMemory, "vips_image_write_to_memory": &s.imageToMemory,
		"vips_band_format_get_type": &s.formatType, "vips_interpretation_get_type": &s.interpretationType,
		"vips_blob_new": &s.blobNew, "vips_blob_get": &s.blobGet, "vips_blob_get_type": &s.blobType, "vips_blob_copy": &s.blobCopy,
		"vips_area_unref": &s.areaUnref, "vips_value_set_array_int": &s.setInts, "vips_value_set_array_double": &s.setDoubles,
		"vips_value_set_array_image": &s.setImages, "vips_value_get_array_image": &s.getImages,
		"vips_value_get_array_int": &s.getInts, "vips_value_get_array_double": &s.getDoubles,
		"vips_array_int_get_type": &s.intsType, "vips_array_double_get_type": &s.doublesType,
		"vips_array_image_get_type": &s.imagesType,
		"g_setenv":                  &s.gSetenv, "g_free": &s.gFree, "g_strfreev": &s.gStrfreev,
		"g_object_ref": &s.gObjectRef, "g_object_unref": &s.gObjectUnref,
		"g_object_set_property": &s.gObjectSetProperty, "g_object_get_property": &s.gObjectGetProperty,
		"g_object_class_find_property": &s.gFindProperty, "g_type_fundamental": &s.gTypeFundamental,
		"g_value_init": &s.gValueInit, "g_value_unset": &s.gValueUnset,
		"g_value_set_boolean": &s.gSetBoolean, "g_value_set_int": &s.gSetInt, "g_value_set_uint64": &s.gSetUint64,
		"g_value_set_double": &s.gSetDouble, "g_value_set_string": &s.gSetString, "g_value_set_enum": &s.gSetEnum,
		"g_value_set_flags": &s.gSetFlags, "g_value_set_object": &s.gSetObject, "g_value_set_boxed": &s.gSetBoxed,
		"g_value_get_boolean": &s.gGetBoolean, "g_value_get_int": &s.gGetInt, "g_value_get_double": &s.gGetDouble,
		"g_value_get_string": &s.gGetString, "g_value_get_object": &s.gGetObject, "g_value_get_boxed": &s.gGetBoxed,
	} {
		address, err := purego.Dlsym(handle, name)
		if err != nil {
			return fmt.Errorf("it is no libvips that fits: %w", err)
		}
		purego.RegisterFunc(function, address)
	}
	return nil
}
