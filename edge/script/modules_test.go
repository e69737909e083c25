package script

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// eval returns what a JavaScript expression is, as JSON, in a function of the given runtime.
func eval(t *testing.T, runtime, before, expression string) string {
	t.Helper()
	f := compile(t, runtime, before+"\nfunction handler(event) { console.log(JSON.stringify("+expression+")); return event.request }")
	r, err := f.Run(t.Context(), viewerRequest())
	if err != nil {
		return err.Error()
	}
	return strings.Join(r.Log, "\n")
}

func TestModules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ runtime, before, expression, want string }{
		// crypto: the digests are those of RFC 1321, RFC 3174, FIPS 180-4 and RFC 4231 (case 2).
		{Runtime20, "import crypto from 'crypto'", "crypto.createHash('md5').update('abc').digest('hex')", `"900150983cd24fb0d6963f7d28e17f72"`},
		{Runtime20, "const crypto = require('crypto')", "crypto.createHash('sha1').update('a').update('bc').digest('hex')", `"a9993e364706816aba3e25717850c26c9cd0d89d"`},
		{Runtime10, "var crypto = require('crypto')", "crypto.createHash('sha256').update('abc').digest('base64')", `"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="`},
		{Runtime20, "import {createHmac as mac} from 'crypto'", "mac('sha256', 'Jefe').update('what do ya want for nothing?').digest('base64url')", `"W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM"`},
		{Runtime20, "import * as crypto from 'crypto'", "crypto.createHash('md5').update('abc').digest().toString('hex')", `"900150983cd24fb0d6963f7d28e17f72"`},
		{Runtime10, "var crypto = require('crypto')", "crypto.createHash('md5').update('abc').digest().charCodeAt(0)", `144`},
		{Runtime20, "import crypto from 'crypto'", "crypto.createHmac('sha1', Buffer.from('k')).update(Buffer.from('616263', 'hex')).digest('hex') === crypto.createHmac('sha1', 'k').update('abc').digest('hex')", `true`},
		{Runtime20, "import crypto from 'crypto'", "(() => { try { crypto.createHash('sha512') } catch (e) { return e.message } })()", `"not supported algorithm: \"sha512\""`},
		{Runtime20, "import crypto from 'crypto'", "(() => { const h = crypto.createHash('md5'); h.digest('hex'); try { h.digest('hex') } catch (e) { return e.message } })()", `"Digest already called"`},

		{Runtime10, "var q = require('querystring')", "q.parse('a=1&b=2&b=3&c&d=%20+x')", `{"a":"1","b":["2","3"],"c":"","d":"  x"}`},
		{Runtime10, "var q = require('querystring')", "q.parse('a:1;b:2', ';', ':')", `{"a":"1","b":"2"}`},
		{Runtime10, "var q = require('querystring')", "q.parse('a=1&b=2&c=3', null, null, {maxKeys: 2})", `{"a":"1","b":"2"}`},
		{Runtime10, "var q = require('querystring')", "q.parse('a=%zz')", `{"a":"%zz"}`},
		{Runtime20, "import q from 'querystring'", "q.stringify({a: 1, b: ['x', 'y z'], c: null})", `"a=1&b=x&b=y%20z&c="`},
		{Runtime20, "import q from 'querystring'", "q.unescape(q.escape('ä&='))", `"ä&="`},

		{Runtime20, "", "Buffer.from('héllo').toString('hex')", `"68c3a96c6c6f"`},
		{Runtime20, "import buffer from 'buffer'", "buffer.Buffer.from('aGk', 'base64').toString()", `"hi"`},
		{Runtime20, "", "Buffer.from('_-8', 'base64url').toString('base64')", `"/+8="`},
		{Runtime20, "", "Buffer.from('6869zz', 'hex').toString()", `"hi"`},
		{Runtime20, "", "Buffer.from([104, 361]).toJSON()", `{"type":"Buffer","data":[104,105]}`},
		{Runtime20, "", "Buffer.concat([Buffer.from('a'), Buffer.from('bc')]).toString()", `"abc"`},
		{Runtime20, "", "Buffer.concat([Buffer.from('abc')], 2).length", `2`},
		{Runtime20, "", "[Buffer.compare(Buffer.from('a'), Buffer.from('b')), Buffer.from('a').equals(Buffer.from('a')), Buffer.isBuffer(new Uint8Array(1))]", `[-1,true,false]`},
		{Runtime20, "", "Buffer.alloc(5, 'ab').toString()", `"ababa"`},
		{Runtime20, "", "Buffer.from('hello').slice(1, -1).toString()", `"ell"`},
		{Runtime20, "", "[Buffer.from('hello').indexOf('l'), Buffer.from('hello').lastIndexOf('l'), Buffer.from('hello').includes('xyz'), Buffer.from('hello').indexOf(111)]", `[2,3,false,4]`},
		{Runtime20, "", "(() => { const b = Buffer.alloc(4); b.writeUInt16BE(0x0102, 0); b.writeUInt16LE(0x0102, 2); return [b.toString('hex'), b.readUInt32BE(0), b.readIntLE(0, 3)] })()", `["01020201",16908801,131585]`},
		{Runtime20, "", "(() => { const b = Buffer.alloc(6); b.writeIntBE(-2, 0, 3); b.writeUIntLE(258, 3, 3); return [b.toString('hex'), b.readIntBE(0, 3), b.readUIntLE(3, 3)] })()", `["fffffe020100",-2,258]`},
		{Runtime20, "", "(() => { const b = Buffer.alloc(4); return [b.write('abcdef', 1), b.toString('latin1').charCodeAt(0), b.swap16().toString('hex')] })()", `[3,0,"61006362"]`},
		{Runtime20, "", "Buffer.byteLength('é')", `2`},
		{Runtime20, "", "[atob('aGk='), btoa('hi')]", `["hi","aGk="]`},
		{Runtime20, "", "typeof String.bytesFrom", `"undefined"`},

		{Runtime10, "", "String.bytesFrom('aGk', 'base64url')", `"hi"`},
		{Runtime10, "", "String.bytesFrom([104, 105])", `"hi"`},
		{Runtime10, "", "['é'.toUTF8().length, 'é'.toUTF8().fromUTF8(), '€'.toBytes()]", `[2,"é",null]`},
		{Runtime10, "", "typeof Buffer", `"undefined"`},

		{Runtime20, "", "event.request.rawQueryString()", `"ID=42&NoValue=&querymv=val1&querymv=val2%2Cval3"`},
		{Runtime20, "import cf from 'cloudfront';", "cf.edgeLocation", `{"name":"SEA","serverIp":"1.2.3.4"}`},
	} {
		if got := eval(t, c.runtime, c.before, c.expression); got != c.want {
			t.Errorf("%s: %s %s = %s, want %s", c.runtime, c.before, c.expression, got, c.want)
		}
	}
}

func TestKeyValueStore(t *testing.T) {
	t.Parallel()
	const code = `import cf from 'cloudfront';
const kvs = cf.kvs('store-1');
async function handler(event) {
	const out = [await kvs.get('a'), await kvs.get('json', { format: 'json' }), (await cf.kvs().get('a', { format: 'bytes' }))[0],
		await kvs.exists('a'), await kvs.exists('x'), await kvs.count(), await kvs.meta()];
	try { await kvs.get('x') } catch (err) { out.push(err.message) }
	try { cf.kvs('other') } catch (err) { out.push(err.message) }
	console.log(JSON.stringify(out));
	return event.request;
}`
	r, err := compile(t, Runtime20, code).Run(t.Context(), viewerRequest())
	if err != nil {
		t.Fatal(err)
	}
	const want = `["b",{"n":[1]},98,true,false,2,{"creationDateTime":"2023-11-14T22:13:20.000Z","lastUpdatedDateTime":"2027-01-15T08:00:00.000Z","keyCount":2},` +
		`"KeyNotFound: the key x is not there","no such key value store is associated with the function"]`
	if len(r.Log) != 1 || r.Log[0] != want {
		t.Errorf("log\n%s\nwant\n%s", r.Log, want)
	}
}

func TestOriginChange(t *testing.T) {
	t.Parallel()
	const code = `import cf from 'cloudfront';
function handler(event) {
	cf.selectRequestOriginById('first');
	cf.updateRequestOrigin({ domainName: 'a.example', customHeaders: { 'x-a': 'b' }, timeouts: { readTimeout: 10 } });
	return event.response || event.request;
}`
	f := compile(t, Runtime20, code)
	r, err := f.Run(t.Context(), viewerRequest())
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"domainName":"a.example","customHeaders":{"x-a":"b"},"timeouts":{"readTimeout":10}}]`
	if r.Origin == nil || r.Origin.Method != "updateRequestOrigin" || string(r.Origin.Arguments) != want {
		t.Errorf("origin change %+v, want updateRequestOrigin %s", r.Origin, want)
	}
	if _, err := f.Run(t.Context(), viewerResponse()); err == nil || !strings.Contains(err.Error(), "viewer-request") {
		t.Errorf("an origin change at viewer-response: %v", err)
	}
}

// A JSON web token is checked as in AWS's example "Validate a simple token in the request", which is what many functions do.
func TestTokenFunction(t *testing.T) {
	t.Parallel()
	const code = `import crypto from 'crypto';
const key = 'secret';
function verify(token) {
	const parts = token.split('.');
	if (parts.length !== 3) throw new Error('segments');
	const own = crypto.createHmac('sha256', key).update(parts[0] + '.' + parts[1]).digest('base64url');
	if (own !== parts[2]) throw new Error('signature');
	return JSON.parse(Buffer.from(parts[1], 'base64url').toString());
}
function handler(event) {
	const request = event.request;
	try {
		const claims = verify(request.querystring.jwt ? request.querystring.jwt.value : '');
		request.headers['x-user'] = { value: claims.sub };
		delete request.querystring.jwt;
		return request;
	} catch (e) {
		console.log(e.message);
		return { statusCode: 401, statusDescription: 'Unauthorized' };
	}
}`
	// Signed with openssl: printf '%s' "$header.$claims" | openssl dgst -sha256 -hmac secret -binary
	const token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4ifQ.PjR3fgnevdXvvFDIexpV052PaeBybdsfUE102L3fkg4"
	f := compile(t, Runtime20, code)
	e := viewerRequest()
	e.Request.RawQuery = "jwt=" + token + "&a=b"
	r, err := f.Run(t.Context(), e)
	if err != nil || r.Request == nil || r.Request.Header.Get("X-User") != "ann" || r.Request.RawQuery != "a=b" {
		t.Errorf("a good token: %+v, %v", r, err)
	}
	e.Request.RawQuery = "jwt=" + strings.Replace(token, "ey", "eZ", 1)
	r, err = f.Run(t.Context(), e)
	if err != nil || r.Response == nil || r.Response.Status != 401 || len(r.Log) != 1 || r.Log[0] != "signature" {
		t.Errorf("a bad token: %+v, %v", r, err)
	}
}

// Whatever a function returns, the result is a rule kept or an error, never a panic.
func FuzzResult(f *testing.F) {
	for _, s := range []string{
		`{"statusCode":200,"headers":{"a":{"value":"b"}},"body":{"encoding":"base64","data":"aGk="}}`,
		`{"method":"GET","uri":"/a","querystring":{"a":{"multiValue":[{"value":1}]}},"headers":{"host":{"value":"video.example.com"}}}`,
		`{"statusCode":"302","cookies":{"a":{"value":"b","attributes":"c"}}}`, `[]`, `7`, `{"uri":[],"method":"GET"}`,
		`{"statusCode":204,"body":[1]}`, `{"method":"GET","uri":"/","headers":{"a":{"multiValue":[null]}}}`,
	} {
		f.Add(s)
	}
	function := compile(f, Runtime20, "function handler(event) { return JSON.parse(event.request.headers['x-fuzz'].value) }")
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid([]byte(s)) {
			return
		}
		e := viewerRequest()
		e.Request.Header["X-Fuzz"] = []string{s}
		r, err := function.Run(t.Context(), e)
		if err != nil {
			return
		}
		var h http.Header
		switch {
		case r.Request != nil && r.Response == nil:
			h = r.Request.Header
			if !strings.HasPrefix(r.Request.URI, "/") || r.Request.Method != "GET" || h.Get("Host") != "video.example.com" {
				t.Errorf("%s: request %+v", s, r.Request)
			}
		case r.Response != nil && r.Request == nil:
			h = r.Response.Header
			if r.Response.Status < 200 || r.Response.Status > 599 || len(r.Response.Body) > MaxBody {
				t.Errorf("%s: response %+v", s, r.Response)
			}
		default:
			t.Errorf("%s: %+v", s, r)
		}
		for name, lines := range h {
			if !isToken(name) || strings.ContainsAny(strings.Join(lines, ""), "\r\n") {
				t.Errorf("%s: header %q: %q", s, name, lines)
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"a=b&a=c&b", "&&", "=", "a=b=c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list := parseQuery(s)
		if again := parseQuery(joinQuery(list)); !same(list, again) {
			t.Errorf("%q is %v, and written again %v", s, list, again)
		}
	})
}
