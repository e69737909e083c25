// The buffer module of cloudfront-js-2.0 (Developer Guide, "JavaScript runtime 2.0 features", "Buffer").
(function (bytesOf, textOf, most) {
  'use strict'
  var encodings = ['utf8', 'utf-8', 'hex', 'base64', 'base64url', 'latin1', 'binary']
  function view (buffer, offset, length) {
    return Object.setPrototypeOf(new Uint8Array(buffer, offset, length), Buffer.prototype)
  }
  function sized (n) {
    if (typeof n !== 'number' || !(n >= 0)) throw new TypeError('size is not a number')
    if (n > most) throw new RangeError('out of memory')
    return view(new ArrayBuffer(n), 0, n)
  }
  function bytes (v, encoding) {
    return typeof v === 'string' ? Buffer.from(v, encoding) : v instanceof Uint8Array ? v : Buffer.from(v)
  }
  function clamp (n, otherwise, length) {
    if (n === undefined) return otherwise
    n = Math.trunc(Number(n)) || 0
    return Math.max(0, Math.min(n < 0 ? n + length : n, length))
  }
  class Buffer extends Uint8Array {
    static from (v, second, third) {
      if (typeof v === 'string') {
        var decoded = bytesOf(v, second === undefined ? 'utf8' : String(second))
        return view(decoded, 0, decoded.byteLength)
      }
      if (v instanceof ArrayBuffer) {
        var offset = second === undefined ? 0 : second
        return view(v, offset, third === undefined ? v.byteLength - offset : third)
      }
      if (v && v.type === 'Buffer' && Array.isArray(v.data)) v = v.data
      if (v === null || typeof v !== 'object' || typeof v.length !== 'number') throw new TypeError('first argument is not a string, array or Buffer')
      var out = sized(v.length)
      for (var i = 0; i < out.length; i++) out[i] = v[i]
      return out
    }

    static alloc (n, fill, encoding) {
      var out = sized(n)
      return fill === undefined || fill === 0 ? out : out.fill(fill, encoding)
    }

    static allocUnsafe (n) { return sized(n) }
    static isBuffer (v) { return v instanceof Buffer }
    static isEncoding (name) { return encodings.indexOf(String(name).toLowerCase()) >= 0 }
    static byteLength (v, encoding) { return typeof v === 'string' ? Buffer.from(v, encoding).length : v.byteLength }
    static compare (a, b) {
      var n = Math.min(a.length, b.length)
      for (var i = 0; i < n; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1
      return a.length === b.length ? 0 : a.length < b.length ? -1 : 1
    }

    static concat (list, total) {
      if (total === undefined) total = list.reduce(function (sum, b) { return sum + b.length }, 0)
      var out = sized(total)
      var at = 0
      list.forEach(function (b) {
        for (var i = 0; i < b.length && at < total; i++) out[at++] = b[i]
      })
      return out
    }

    toString (encoding, start, end) {
      return textOf(this.subarray(clamp(start, 0, this.length), clamp(end, this.length, this.length)), encoding === undefined ? 'utf8' : String(encoding))
    }

    toJSON () { return { type: 'Buffer', data: Array.from(this) } }
    equals (other) { return Buffer.compare(this, other) === 0 }
    compare (other, targetStart, targetEnd, start, end) {
      return Buffer.compare(this.subarray(clamp(start, 0, this.length), clamp(end, this.length, this.length)),
        other.subarray(clamp(targetStart, 0, other.length), clamp(targetEnd, other.length, other.length)))
    }

    subarray (start, end) {
      start = clamp(start, 0, this.length)
      end = clamp(end, this.length, this.length)
      return view(this.buffer, this.byteOffset + start, Math.max(0, end - start))
    }

    slice (start, end) { return this.subarray(start, end) }
    copy (target, targetStart, start, end) {
      var from = this.subarray(start, end)
      targetStart = targetStart || 0
      var n = Math.max(0, Math.min(from.length, target.length - targetStart))
      target.set(new Uint8Array(from.buffer, from.byteOffset, n), targetStart)
      return n
    }

    fill (v, start, end, encoding) {
      if (typeof start === 'string') { encoding = start; start = end = undefined }
      start = clamp(start, 0, this.length)
      end = clamp(end, this.length, this.length)
      if (typeof v === 'number') {
        for (var i = start; i < end; i++) this[i] = v
        return this
      }
      var pattern = bytes(v, encoding)
      for (var j = start; j < end; j++) this[j] = pattern.length ? pattern[(j - start) % pattern.length] : 0
      return this
    }

    write (s, offset, length, encoding) {
      if (typeof offset === 'string') { encoding = offset; offset = length = undefined }
      if (typeof length === 'string') { encoding = length; length = undefined }
      offset = offset || 0
      return Buffer.from(s, encoding).copy(this, offset, 0, length)
    }

    indexOf (v, from, encoding) {
      if (typeof from === 'string') { encoding = from; from = undefined }
      var pattern = typeof v === 'number' ? [v & 255] : bytes(v, encoding)
      for (var i = clamp(from, 0, this.length); i + pattern.length <= this.length; i++) {
        var j = 0
        while (j < pattern.length && this[i + j] === pattern[j]) j++
        if (j === pattern.length) return i
      }
      return -1
    }

    lastIndexOf (v, from, encoding) {
      if (typeof from === 'string') { encoding = from; from = undefined }
      var pattern = typeof v === 'number' ? [v & 255] : bytes(v, encoding)
      for (var i = Math.min(clamp(from, this.length, this.length), this.length - pattern.length); i >= 0; i--) {
        var j = 0
        while (j < pattern.length && this[i + j] === pattern[j]) j++
        if (j === pattern.length) return i
      }
      return -1
    }

    includes (v, from, encoding) { return this.indexOf(v, from, encoding) >= 0 }
    swap16 () { return swap(this, 2) }
    swap32 () { return swap(this, 4) }
    swap64 () { return swap(this, 8) }
  }
  function swap (b, n) {
    if (b.length % n) throw new RangeError('Buffer size must be a multiple of ' + n * 8 + '-bits')
    for (var i = 0; i < b.length; i += n) {
      for (var j = 0; j < n / 2; j++) {
        var c = b[i + j]
        b[i + j] = b[i + n - 1 - j]
        b[i + n - 1 - j] = c
      }
    }
    return b
  }
  function accessors (name, type, size) {
    [['LE', true], ['BE', false]].forEach(function (order) {
      if (size === 1 && order[1]) return
      var suffix = name + (size === 1 ? '' : order[0])
      function at (b) { return new DataView(b.buffer, b.byteOffset, b.byteLength) }
      Buffer.prototype['read' + suffix] = function (offset) { return at(this)['get' + type](offset || 0, order[1]) }
      Buffer.prototype['write' + suffix] = function (v, offset) {
        at(this)['set' + type](offset || 0, v, order[1])
        return (offset || 0) + size
      }
    })
  }
  [['UInt8', 'Uint8', 1], ['UInt16', 'Uint16', 2], ['UInt32', 'Uint32', 4], ['Int8', 'Int8', 1], ['Int16', 'Int16', 2], ['Int32', 'Int32', 4],
    ['Float', 'Float32', 4], ['Double', 'Float64', 8]].forEach(function (a) { accessors(a[0], a[1], a[2]) })
  function bigEndian (b, offset, length) {
    var n = 0
    for (var i = 0; i < length; i++) n = n * 256 + b[offset + i]
    return n
  }
  function signed (n, length) { return n >= Math.pow(2, 8 * length - 1) ? n - Math.pow(2, 8 * length) : n }
  function reversed (b, offset, length) { return Buffer.from(b.subarray(offset, offset + length)).reverse() }
  Buffer.prototype.readUIntBE = function (offset, length) { return bigEndian(this, offset, length) }
  Buffer.prototype.readUIntLE = function (offset, length) { return bigEndian(reversed(this, offset, length), 0, length) }
  Buffer.prototype.readIntBE = function (offset, length) { return signed(this.readUIntBE(offset, length), length) }
  Buffer.prototype.readIntLE = function (offset, length) { return signed(this.readUIntLE(offset, length), length) }
  function put (b, v, offset, length, little) {
    for (var i = 0; i < length; i++) {
      b[offset + (little ? i : length - 1 - i)] = v & 255
      v = Math.floor(v / 256)
    }
    return offset + length
  }
  Buffer.prototype.writeUIntBE = Buffer.prototype.writeIntBE = function (v, offset, length) { return put(this, v, offset, length, false) }
  Buffer.prototype.writeUIntLE = Buffer.prototype.writeIntLE = function (v, offset, length) { return put(this, v, offset, length, true) }
  return { Buffer: Buffer }
})
