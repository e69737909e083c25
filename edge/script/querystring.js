// The querystring module of CloudFront Functions (Developer Guide, "JavaScript runtime 1.0 features", "Query string").
(function () {
  'use strict'
  function escape (s) {
    return encodeURIComponent(String(s))
  }
  function unescape (s) {
    try {
      return decodeURIComponent(s)
    } catch (e) {
      return s
    }
  }
  function parse (string, separator, equal, options) {
    separator = separator || '&'
    equal = equal || '='
    var most = options && options.maxKeys !== undefined ? options.maxKeys : 1000
    var decode = (options && options.decodeURIComponent) || module.unescape
    var out = {}
    if (!string) return out
    var parts = String(string).split(separator)
    for (var i = 0; i < parts.length && (most <= 0 || i < most); i++) {
      if (parts[i] === '') continue
      var at = parts[i].indexOf(equal)
      var name = at < 0 ? parts[i] : parts[i].slice(0, at)
      var value = at < 0 ? '' : parts[i].slice(at + equal.length)
      name = decode(name.replace(/\+/g, ' '))
      value = decode(value.replace(/\+/g, ' '))
      if (!Object.prototype.hasOwnProperty.call(out, name)) out[name] = value
      else if (Array.isArray(out[name])) out[name].push(value)
      else out[name] = [out[name], value]
    }
    return out
  }
  function stringify (object, separator, equal, options) {
    separator = separator || '&'
    equal = equal || '='
    var encode = (options && options.encodeURIComponent) || module.escape
    var parts = []
    Object.keys(Object(object)).forEach(function (name) {
      [].concat(object[name]).forEach(function (value) {
        parts.push(encode(name) + equal + encode(value === null || value === undefined ? '' : value))
      })
    })
    return parts.join(separator)
  }
  var module = { parse: parse, decode: parse, stringify: stringify, encode: stringify, escape: escape, unescape: unescape }
  return module
})
