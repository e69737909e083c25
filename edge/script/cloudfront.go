package script

import (
	"encoding/json"
	"errors"

	"github.com/dop251/goja"
)

var errOutOfMemory = errors.New("out of memory")

// cloudfront is the module of runtime 2.0: key value stores, the edge location, and methods that change the origin.
// CloudFront Developer Guide, "Helper methods for key value stores", "Helper methods for origin modification", "General helper
// methods".
func (w *world) cloudfront() goja.Value {
	m := w.vm.NewObject()
	setMember(m, "kvs", w.kvs)
	w.setGetter(m, "edgeLocation", w.edgeLocation, goja.FLAG_TRUE)
	for _, name := range []string{"updateRequestOrigin", "selectRequestOriginById", "createRequestOriginGroup"} {
		setMember(m, name, func(call goja.FunctionCall) goja.Value {
			if w.event == nil || w.event.Response != nil {
				panic(w.vm.NewTypeError("%s can be used in viewer-request functions only", name))
			}
			w.origin = &OriginChange{name, w.arguments(call)}
			return goja.Undefined()
		})
	}
	// The guide's examples import the module's default.
	setMember(m, "default", m)
	return m
}

// edgeLocation is read when it is used: the module may be loaded before there is an event.
func (w *world) edgeLocation() goja.Value {
	o := w.vm.NewObject()
	if e := w.event; e != nil && e.Response == nil {
		set := func(name, v string) {
			if v != "" {
				setMember(o, name, v)
			}
		}
		set("name", e.Edge.Name)
		set("serverIp", e.Edge.ServerIP)
		set("region", e.Edge.Region)
	}
	return o
}

func (w *world) arguments(call goja.FunctionCall) []byte {
	b, err := w.vm.NewArray(anys(call.Arguments)...).MarshalJSON()
	if err != nil {
		panic(w.vm.NewGoError(err))
	}
	return b
}

func anys(values []goja.Value) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// kvs(id) is a handle on a store that is associated with the function; without an id, on the only one.
func (w *world) kvs(call goja.FunctionCall) goja.Value {
	stores := w.fn.cfg.Stores
	var store KeyValueStore
	if id := call.Argument(0); defined(id) {
		store = stores[id.String()]
	} else if len(stores) == 1 {
		for _, only := range stores {
			store = only
		}
	}
	if store == nil {
		panic(w.vm.NewTypeError("no such key value store is associated with the function"))
	}
	o := w.vm.NewObject()
	promise := func(name string, f func(call goja.FunctionCall) (any, error)) {
		setMember(o, name, func(call goja.FunctionCall) goja.Value {
			p, resolve, reject := w.vm.NewPromise()
			v, err := f(call)
			if err != nil {
				v, resolve = w.vm.NewGoError(err), reject
			}
			if err := resolve(v); err != nil { // the call was interrupted
				panic(err)
			}
			return w.vm.ToValue(p)
		})
	}
	promise("get", func(call goja.FunctionCall) (any, error) {
		v, ok := store.Get(call.Argument(0).String())
		if !ok {
			return nil, errors.New("KeyNotFound: the key " + call.Argument(0).String() + " is not there")
		}
		return w.formatted(v, call.Argument(1))
	})
	promise("exists", func(call goja.FunctionCall) (any, error) {
		_, ok := store.Get(call.Argument(0).String())
		return ok, nil
	})
	promise("count", func(goja.FunctionCall) (any, error) { return store.Info().Keys, nil })
	promise("meta", func(goja.FunctionCall) (any, error) {
		info := store.Info()
		const iso = "2006-01-02T15:04:05.000Z"
		meta := w.vm.NewObject()
		setMember(meta, "creationDateTime", info.Created.UTC().Format(iso))
		setMember(meta, "lastUpdatedDateTime", info.Updated.UTC().Format(iso))
		setMember(meta, "keyCount", info.Keys)
		return meta, nil
	})
	return o
}

// formatted is a store's value as get's options want it: {format: "string"}, which is the default, "json" or "bytes".
func (w *world) formatted(v string, options goja.Value) (any, error) {
	format := "string"
	if o, ok := options.(*goja.Object); ok && defined(o.Get("format")) {
		format = o.Get("format").String()
	}
	switch format {
	case "string":
		return v, nil
	case "bytes":
		uint8s, err := w.vm.New(w.vm.Get("Uint8Array"), w.vm.ToValue(w.vm.NewArrayBuffer([]byte(v))))
		return uint8s, err
	case "json":
		if !json.Valid([]byte(v)) {
			return nil, errors.New("SyntaxError: the value is not JSON")
		}
		parse, _ := goja.AssertFunction(w.vm.Get("JSON").ToObject(w.vm).Get("parse"))
		return parse(goja.Undefined(), w.vm.ToValue(v))
	}
	return nil, errors.New("the format is none of string, json, bytes")
}
