package script

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"  // a function may ask for it
	"crypto/sha1" // likewise
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// require is the only way to a module. Runtime10 has crypto and querystring.
// CloudFront Developer Guide, "JavaScript runtime 1.0 features", "JavaScript runtime 2.0 features".
func (w *world) require(call goja.FunctionCall) goja.Value {
	name := call.Argument(0).String()
	known := name == "crypto" || name == "querystring" || w.fn.cfg.Runtime == Runtime20 && (name == "buffer" || name == "cloudfront")
	if !known {
		panic(w.vm.NewTypeError("Cannot find module '%s'", name))
	}
	return w.module(name)
}

func (w *world) module(name string) goja.Value {
	if m, ok := w.loaded[name]; ok {
		return m
	}
	var m goja.Value
	switch name {
	case "crypto":
		m = w.crypto()
	case "querystring":
		m = w.run(querystringModule())
	case "buffer":
		m = w.run(bufferProgram(), w.vm.ToValue(w.bytesOf), w.vm.ToValue(w.textOf), w.vm.ToValue(MaxMemory))
	case "cloudfront":
		m = w.cloudfront()
	}
	if w.loaded == nil {
		w.loaded = map[string]goja.Value{}
	}
	w.loaded[name] = m
	return m
}

// run runs a module of ours: a function expression that returns the module.
func (w *world) run(program *goja.Program, args ...goja.Value) goja.Value {
	v, err := w.vm.RunProgram(program)
	if err != nil {
		panic(err)
	}
	load, _ := goja.AssertFunction(v)
	m, err := load(goja.Undefined(), args...)
	if err != nil {
		panic(err)
	}
	return m
}

// crypto has createHash and createHmac with md5, sha1 and sha256.
func (w *world) crypto() goja.Value {
	m := w.vm.NewObject()
	setMember(m, "createHash", func(call goja.FunctionCall) goja.Value {
		return w.hashObject(w.algorithm(call.Argument(0))())
	})
	setMember(m, "createHmac", func(call goja.FunctionCall) goja.Value {
		return w.hashObject(hmac.New(w.algorithm(call.Argument(0)), w.input(call.Argument(1))))
	})
	return m
}

func (w *world) algorithm(v goja.Value) func() hash.Hash {
	switch v.String() {
	case "md5":
		return md5.New
	case "sha1":
		return sha1.New
	case "sha256":
		return sha256.New
	}
	panic(w.vm.NewTypeError("not supported algorithm: \"%s\"", v))
}

func (w *world) hashObject(h hash.Hash) goja.Value {
	o := w.vm.NewObject()
	done := false
	setMember(o, "update", func(call goja.FunctionCall) goja.Value {
		if done {
			panic(w.vm.NewTypeError("Digest already called"))
		}
		h.Write(w.input(call.Argument(0)))
		return o
	})
	setMember(o, "digest", func(call goja.FunctionCall) goja.Value {
		if done {
			panic(w.vm.NewTypeError("Digest already called"))
		}
		done = true
		sum := h.Sum(nil)
		if defined(call.Argument(0)) {
			s, ok := encode(sum, call.Argument(0).String())
			if !ok {
				panic(w.vm.NewTypeError("Unknown digest encoding: \"%s\"", call.Argument(0)))
			}
			return w.vm.ToValue(s)
		}
		if w.fn.cfg.Runtime == Runtime10 {
			return w.vm.ToValue(latin1(sum)) // a byte string
		}
		from, _ := goja.AssertFunction(w.vm.Get("Buffer").ToObject(w.vm).Get("from"))
		v, err := from(w.vm.Get("Buffer"), w.vm.ToValue(w.vm.NewArrayBuffer(sum)))
		if err != nil {
			panic(err)
		}
		return v
	})
	return o
}

// input is the bytes of a string, as UTF-8, or of an ArrayBuffer or a view of one.
func (w *world) input(v goja.Value) []byte {
	if b, ok := w.view(v); ok {
		return b
	}
	return []byte(v.String())
}

// view returns the bytes that an ArrayBuffer or a view has; they are not copied.
func (w *world) view(v goja.Value) ([]byte, bool) {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil, false
	}
	if isArrayBuffer(o) {
		b, ok := o.Export().(goja.ArrayBuffer)
		return b.Bytes(), ok
	}
	buffer, ok := o.Get("buffer").(*goja.Object)
	if !ok || !isArrayBuffer(buffer) {
		return nil, false
	}
	b, ok := buffer.Export().(goja.ArrayBuffer)
	if !ok || !defined(o.Get("byteOffset")) || !defined(o.Get("byteLength")) {
		return nil, false
	}
	all, from, length := b.Bytes(), int(o.Get("byteOffset").ToInteger()), int(o.Get("byteLength").ToInteger())
	if from < 0 || length < 0 || from+length > len(all) {
		return nil, false
	}
	return all[from : from+length], true
}

// isArrayBuffer is asked before Export, which copies any other object.
func isArrayBuffer(o *goja.Object) bool { return o.ExportType() == reflect.TypeFor[goja.ArrayBuffer]() }

// bytesOf(string, encoding) is the ArrayBuffer of a string, for the buffer module; it throws on an encoding that is not known.
func (w *world) bytesOf(call goja.FunctionCall) goja.Value {
	b, ok := decode(call.Argument(0).String(), call.Argument(1).String())
	if !ok {
		panic(w.vm.NewTypeError("\"%s\" encoding is not supported", call.Argument(1)))
	}
	if len(b) > MaxMemory {
		panic(w.vm.NewGoError(errOutOfMemory))
	}
	return w.vm.ToValue(w.vm.NewArrayBuffer(b))
}

// textOf(view, encoding) is the string of a view's bytes.
func (w *world) textOf(call goja.FunctionCall) goja.Value {
	b, ok := w.view(call.Argument(0))
	if !ok {
		panic(w.vm.NewTypeError("not a Buffer"))
	}
	s, ok := encode(b, call.Argument(1).String())
	if !ok {
		panic(w.vm.NewTypeError("\"%s\" encoding is not supported", call.Argument(1)))
	}
	return w.vm.ToValue(s)
}

// decode returns the bytes that s stands for in an encoding; false: there is no such encoding. As in Node, what is not hex ends it,
// and what is not base64 is passed over.
func decode(s, encoding string) ([]byte, bool) {
	switch strings.ToLower(encoding) {
	case "utf8", "utf-8":
		return []byte(s), true
	case "hex":
		n := 0
		for n+1 < len(s) && strings.IndexByte(hexDigits, s[n]) >= 0 && strings.IndexByte(hexDigits, s[n+1]) >= 0 {
			n += 2
		}
		b, _ := hex.DecodeString(s[:n])
		return b, true
	case "base64", "base64url":
		var kept strings.Builder
		for _, c := range []byte(s) {
			switch c {
			case '-':
				c = '+'
			case '_':
				c = '/'
			case '=':
				continue
			}
			if c == '+' || c == '/' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
				kept.WriteByte(c)
			}
		}
		text := kept.String()
		if len(text)%4 == 1 {
			text = text[:len(text)-1]
		}
		b, _ := base64.RawStdEncoding.DecodeString(text)
		return b, true
	case "latin1", "binary":
		b := make([]byte, 0, len(s))
		for _, r := range s {
			b = append(b, byte(r))
		}
		return b, true
	}
	return nil, false
}

const hexDigits = "0123456789abcdefABCDEF"

// encode is the other way round.
func encode(b []byte, encoding string) (string, bool) {
	switch strings.ToLower(encoding) {
	case "utf8", "utf-8":
		return string(bytes.ToValidUTF8(b, []byte("\uFFFD"))), true
	case "hex":
		return hex.EncodeToString(b), true
	case "base64":
		return base64.StdEncoding.EncodeToString(b), true
	case "base64url":
		return base64.RawURLEncoding.EncodeToString(b), true
	case "latin1", "binary":
		return latin1(b), true
	}
	return "", false
}

// latin1 is a string with one character for each byte.
func latin1(b []byte) string {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return string(out)
}

// addByteStrings adds what njs, the engine of runtime 1.0, has beyond ECMAScript: strings with a character for each byte.
// Developer Guide, "JavaScript runtime 1.0 features", "String".
func (w *world) addByteStrings() {
	str := w.vm.Get("String").ToObject(w.vm)
	setMember(str, "bytesFrom", func(call goja.FunctionCall) goja.Value {
		if o, ok := call.Argument(0).(*goja.Object); ok && o.ClassName() == "Array" {
			var b []byte
			for _, i := range o.Keys() {
				b = append(b, byte(o.Get(i).ToInteger()))
			}
			return w.vm.ToValue(latin1(b))
		}
		b, ok := decode(call.Argument(0).String(), call.Argument(1).String())
		if !ok {
			panic(w.vm.NewTypeError("Unknown encoding: \"%s\"", call.Argument(1)))
		}
		return w.vm.ToValue(latin1(b))
	})
	prototype := str.Get("prototype").ToObject(w.vm)
	method := func(name string, f func(this string, call goja.FunctionCall) goja.Value) {
		v := w.vm.ToValue(func(call goja.FunctionCall) goja.Value { return f(call.This.String(), call) })
		setFixed(prototype, name, v, true)
	}
	toUTF8 := func(this string, _ goja.FunctionCall) goja.Value { return w.vm.ToValue(latin1([]byte(this))) }
	fromUTF8 := func(this string, _ goja.FunctionCall) goja.Value {
		b, _ := decode(this, "latin1")
		if !utf8.Valid(b) {
			return goja.Null()
		}
		return w.vm.ToValue(string(b))
	}
	method("toUTF8", toUTF8)
	method("fromUTF8", fromUTF8)
	// Of a string whose characters are all bytes, these two are itself; of any other null.
	bytesOnly := func(this string, _ goja.FunctionCall) goja.Value {
		for _, r := range this {
			if r > 0xff {
				return goja.Null()
			}
		}
		return w.vm.ToValue(this)
	}
	method("toBytes", bytesOnly)
	method("fromBytes", bytesOnly)
}

func (w *world) atob(call goja.FunctionCall) goja.Value {
	b, err := base64.StdEncoding.DecodeString(call.Argument(0).String())
	if err != nil {
		panic(w.vm.NewTypeError("the string to be decoded is not correctly encoded"))
	}
	return w.vm.ToValue(latin1(b))
}

func (w *world) btoa(call goja.FunctionCall) goja.Value {
	b, _ := decode(call.Argument(0).String(), "latin1")
	if latin1(b) != call.Argument(0).String() {
		panic(w.vm.NewTypeError("invalid character: not a byte"))
	}
	return w.vm.ToValue(base64.StdEncoding.EncodeToString(b))
}
