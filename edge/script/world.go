package script

import (
	"bytes"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"time"

	_ "embed" // the modules that are written in JavaScript

	"github.com/dop251/goja"
)

// world is the JavaScript world of one call.
type world struct {
	vm      *goja.Runtime
	fn      *Function
	handler goja.Callable
	event   *Event // nil until it is called
	log     logLines
	origin  *OriginChange
	loaded  map[string]goja.Value // modules
}

//go:embed buffer.js
var bufferSource string

//go:embed querystring.js
var querystringSource string

var (
	bufferProgram     = sync.OnceValue(func() *goja.Program { return goja.MustCompile("buffer", bufferSource, true) })
	querystringModule = sync.OnceValue(func() *goja.Program { return goja.MustCompile("querystring", querystringSource, true) })
	handlerProgram    = sync.OnceValue(func() *goja.Program {
		return goja.MustCompile("handler", "typeof handler === 'function' ? handler : undefined", false)
	})
)

// maxStack is how deep calls may nest.
const maxStack = 512

func (f *Function) newWorld() *world {
	w := &world{vm: goja.New(), fn: f}
	w.vm.SetMaxCallStackSize(maxStack)
	console := w.vm.NewObject()
	setMember(console, "log", w.consoleLog)
	setMember(w.vm.GlobalObject(), "console", console)
	setMember(w.vm.GlobalObject(), "require", w.require)
	w.lockDown()
	if f.cfg.Runtime == Runtime10 {
		w.addByteStrings()
	} else {
		w.lazyGlobal("Buffer", func() goja.Value { return w.module("buffer").ToObject(w.vm).Get("Buffer") })
		w.lazyGlobal("atob", func() goja.Value { return w.vm.ToValue(w.atob) })
		w.lazyGlobal("btoa", func() goja.Value { return w.vm.ToValue(w.btoa) })
	}
	return w
}

// lazyGlobal makes a global that costs nothing until it is used.
func (w *world) lazyGlobal(name string, value func() goja.Value) {
	w.setGetter(w.vm.GlobalObject(), name, func() goja.Value {
		v := value()
		setFixed(w.vm.GlobalObject(), name, v, true)
		return v
	}, goja.FLAG_FALSE)
}

// watch interrupts the world when its budget is used up, until stop is called.
func (w *world) watch() (stop func()) {
	t := time.AfterFunc(w.fn.cfg.Budget, func() { w.vm.Interrupt("budget") })
	return func() { t.Stop() }
}

// prepare makes a world in which the function's program has run, so that it has its handler. The program gets a budget of its own.
func (f *Function) prepare() (*world, error) {
	w := f.newWorld()
	defer w.watch()()
	if f.cfg.Runtime == Runtime20 && bytes.Contains(f.cfg.Code, []byte("Buffer")) {
		w.vm.Get("Buffer") // it will be wanted, and costs more than the rest
	}
	if _, err := w.vm.RunProgram(f.program); err != nil {
		return nil, err
	}
	v, err := w.vm.RunProgram(handlerProgram())
	if err != nil {
		return nil, err
	}
	handler, ok := goja.AssertFunction(v)
	if !ok {
		return nil, errors.New("it has no function called handler")
	}
	w.handler = handler
	return w, nil
}

// call runs handler(event) and reads what it returns.
func (w *world) call(e *Event) (*Result, error) {
	w.event = e
	defer w.watch()()
	v, err := w.handler(goja.Undefined(), w.eventObject())
	if err != nil {
		return &Result{}, err
	}
	if p, ok := promiseOf(v); ok {
		// The engine has run all jobs when a call returns, and nothing from outside can settle a promise later.
		switch p.State() {
		case goja.PromiseStateRejected:
			return &Result{}, &Error{Kind: Threw, Message: thrown(p.Result())}
		case goja.PromiseStatePending:
			return &Result{}, &Error{Kind: Threw, Message: "the promise that handler returned is never settled"}
		}
		v = p.Result()
	}
	// Reading the result may run getters, which may throw or take for ever: the engine must be in a call.
	var result *Result
	var problem error
	read, _ := goja.AssertFunction(w.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		result, problem = w.read(call.Argument(0))
		return nil
	}))
	if _, err := read(goja.Undefined(), v); err != nil {
		return &Result{}, err
	}
	if problem != nil {
		return &Result{}, problem
	}
	return result, nil
}

func promiseOf(v goja.Value) (*goja.Promise, bool) {
	o, ok := v.(*goja.Object)
	if !ok || o.ExportType() != reflect.TypeFor[*goja.Promise]() { // Export copies any other object
		return nil, false
	}
	p, ok := o.Export().(*goja.Promise)
	return p, ok
}

// thrown is a value that was thrown, with its stack if it has one.
func thrown(v goja.Value) string {
	if o, ok := v.(*goja.Object); ok {
		if stack := o.Get("stack"); stack != nil && !goja.IsUndefined(stack) {
			return strings.TrimSpace(stack.String())
		}
	}
	return v.String()
}

// importLine is an import of a module, which the engine does not know: only modules that are ours, at the start of a line.
var importLine = regexp.MustCompile(`(?m)^([ \t]*)import[ \t]+(?:\*[ \t]+as[ \t]+(\w+)|(\w+)|\{([^}\n]*)\})[ \t]+from[ \t]*(['"])(crypto|querystring|buffer|cloudfront)['"][ \t]*;?`)

// withoutImports writes "import x from 'm'" as "const x = require('m');". Lines stay where they are.
func withoutImports(source string) string {
	return importLine.ReplaceAllStringFunc(source, func(line string) string {
		m := importLine.FindStringSubmatch(line)
		name := m[2] + m[3]
		if m[4] != "" {
			name = "{" + strings.ReplaceAll(m[4], " as ", ": ") + "}"
		}
		return m[1] + "const " + name + " = require('" + m[6] + "');"
	})
}

// logLines are the lines of console.log.
type logLines struct {
	lines []string
	size  int
}

// consoleLog takes values as njs prints them: strings as they are, others as JSON where there is any.
func (w *world) consoleLog(call goja.FunctionCall) goja.Value {
	if w.log.size >= MaxLog {
		return goja.Undefined()
	}
	parts := make([]string, len(call.Arguments))
	for i, v := range call.Arguments {
		parts[i] = w.printed(v)
	}
	line := strings.Join(parts, " ")
	line = line[:min(len(line), MaxLog-w.log.size)]
	w.log.size += len(line)
	w.log.lines = append(w.log.lines, line)
	return goja.Undefined()
}

func (w *world) printed(v goja.Value) string {
	o, ok := v.(*goja.Object)
	if !ok {
		return v.String()
	}
	switch o.ClassName() {
	case "Error":
		return thrown(o)
	case "Object", "Array":
		if b, err := o.MarshalJSON(); err == nil {
			return string(b)
		}
	}
	return o.String()
}
