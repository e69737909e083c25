package script

import (
	"strings"
	"sync"

	"github.com/dop251/goja"
)

// Functions whose constructors make code of text can be written in three ways; a world has the latter two only if the source
// has an async function or a generator.
var otherFunctions = sync.OnceValue(func() *goja.Program {
	return goja.MustCompile("functions", "[function * () {}, async function () {}]", true)
})

// needsOtherFunctions tells whether source can come by an async function or a generator. It may say yes when it cannot.
func needsOtherFunctions(source string) bool {
	return strings.Contains(source, "async") || strings.Contains(source, "*") || strings.Contains(source, `\`)
}

// lockDown takes away what CloudFront Functions do not have: eval, and functions made of text (Developer Guide, "JavaScript runtime
// 2.0 features", "Restricted features"). It also bounds what one string operation can allocate.
func (w *world) lockDown() {
	deny := w.vm.ToValue(func(goja.FunctionCall) goja.Value {
		panic(w.vm.NewTypeError("eval and functions made of strings are not available"))
	}).(*goja.Object)
	prototype := w.vm.Get("Function").(*goja.Object).Get("prototype").(*goja.Object)
	setFixed(deny, "prototype", prototype, false)
	setFixed(prototype, "constructor", deny, false)
	// Defined anew, not deleted: deleting makes the engine build all of its globals, which costs 20 us.
	global := w.vm.GlobalObject()
	setFixed(global, "Function", deny, false)
	setFixed(global, "eval", deny, false)
	if w.fn.otherFunctions {
		all, err := w.vm.RunProgram(otherFunctions())
		if err != nil {
			panic(err) // the program is ours
		}
		for _, i := range []string{"0", "1"} {
			f := all.(*goja.Object).Get(i).(*goja.Object)
			setFixed(f.Prototype(), "constructor", deny, false)
		}
	}
	strs := w.vm.Get("String").(*goja.Object).Get("prototype").(*goja.Object)
	w.bound(strs, "repeat", func(length, n int64) bool { return n > 0 && length > MaxMemory/n })
	w.bound(strs, "padStart", func(_, n int64) bool { return n > MaxMemory })
	w.bound(strs, "padEnd", func(_, n int64) bool { return n > MaxMemory })
}

// bound makes a method throw when tooLong(this.length, the first argument) holds.
func (w *world) bound(prototype *goja.Object, name string, tooLong func(length, n int64) bool) {
	original, _ := goja.AssertFunction(prototype.Get(name))
	v := w.vm.ToValue(func(call goja.FunctionCall) goja.Value {
		if s, ok := call.This.ToString().(goja.String); ok && tooLong(int64(s.Length()), call.Argument(0).ToInteger()) {
			panic(w.vm.NewGoError(errOutOfMemory))
		}
		out, err := original(call.This, call.Arguments...)
		if err != nil {
			panic(err)
		}
		return out
	})
	setFixed(prototype, name, v, true)
}
