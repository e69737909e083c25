package script

import "github.com/dop251/goja"

// setMember sets a member of an object that was just made, which cannot fail.
func setMember(o *goja.Object, name string, v any) {
	if err := o.Set(name, v); err != nil {
		panic(err)
	}
}

// setFixed defines a member that is not listed; a function may change it only if changeable.
func setFixed(o *goja.Object, name string, v goja.Value, changeable bool) {
	flag := goja.FLAG_FALSE
	if changeable {
		flag = goja.FLAG_TRUE
	}
	if err := o.DefineDataProperty(name, v, flag, flag, goja.FLAG_FALSE); err != nil {
		panic(err)
	}
}

// setGetter defines a member that is computed when it is read.
func (w *world) setGetter(o *goja.Object, name string, get func() goja.Value, listed goja.Flag) {
	getter := w.vm.ToValue(func(goja.FunctionCall) goja.Value { return get() })
	if err := o.DefineAccessorProperty(name, getter, nil, goja.FLAG_TRUE, listed); err != nil {
		panic(err)
	}
}
