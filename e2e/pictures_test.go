package e2e

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	"image/png"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "golang.org/x/image/webp"

	"glassine/objectlambda"
	"glassine/transform"
	"glassine/transform/sample"
)

// asks asks the edge with one header.
func (s *system) asks(t *testing.T, path, accept string) answer {
	t.Helper()
	req := request(t, http.MethodGet, s.url(path), nil)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	return do(t, s.viewer, req)
}

// sized decodes a picture's header with decoders that are not glassine's, and says "jpeg 200x150".
func sized(t *testing.T, body []byte) string {
	t.Helper()
	if len(body) > 12 && string(body[4:12]) == "ftypavif" {
		about := peer(t, []map[string]string{{"op": "about", "file": writeTemp(t, "a.avif", body)}})[0]
		var a struct{ Width, Height int }
		if err := json.Unmarshal([]byte(about), &a); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("avif %dx%d", a.Width, a.Height)
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(body))
	if err != nil {
		return fmt.Sprintf("%v: %.100q", err, body)
	}
	return fmt.Sprintf("%s %dx%d", format, c.Width, c.Height)
}

// Whatever browsers write into Accept, and in whatever words a size is asked for, a picture has one entry for each format.
func TestNegotiationGivesFewEntries(t *testing.T) {
	t.Parallel()
	s := start(t)
	const (
		chrome  = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
		firefox = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
		safari  = "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
		old     = "image/webp,image/*,*/*;q=0.8"
	)
	misses := map[string]int{}
	for _, c := range []struct{ query, accept, want string }{
		{"w=200&f=auto", chrome, "avif 200x150"},
		{"f=auto&width=200", firefox, "avif 200x150"},
		{"width=0200&format=auto&utm_source=mail", safari, "avif 200x150"},
		{"w=200&f=auto&dpr=1&fit=scale-down", old, "webp 200x150"},
		{"w=200&f=auto", "image/webp", "webp 200x150"},
		{"w=200&f=auto", "*/*", "jpeg 200x150"},
		{"w=200&f=auto", "", "jpeg 200x150"},
		{"w=200&f=auto", "image/avif;q=0, text/html", "jpeg 200x150"},
		{"w=200", chrome, "jpeg 200x150"}, // not asked for: one entry, whatever Accept says
		{"width=200&x=1", old, "jpeg 200x150"},
	} {
		got := s.asks(t, "/sample.jpg?"+c.query, c.accept)
		if got.StatusCode != http.StatusOK {
			t.Fatalf("?%s: %s: %s", c.query, got.Status, got.body)
		}
		if is := sized(t, got.body); is != c.want {
			t.Errorf("?%s with Accept %q: %s, want %s", c.query, c.accept, is, c.want)
		}
		if kind := got.Header.Get("Content-Type"); kind != "image/"+strings.Fields(c.want)[0] {
			t.Errorf("?%s with Accept %q: Content-Type %s", c.query, c.accept, kind)
		}
		if strings.HasPrefix(got.Header.Get("X-Cache"), "Miss") {
			misses[c.want]++
		}
	}
	if misses["avif 200x150"] != 1 || misses["webp 200x150"] != 1 || misses["jpeg 200x150"] != 2 {
		t.Errorf("entries made: %v, want one avif, one webp, a jpeg for auto and one for no wish", misses)
	}
	onlyProfile(t, s.asks(t, "/sample.jpg?w=200", "").body)
}

// onlyProfile lets exiftool look for what is left beside the colour profile.
func onlyProfile(t *testing.T, body []byte) {
	t.Helper()
	for name, value := range tags(t, writeTemp(t, "made.jpg", body)) {
		if !strings.HasPrefix(name, "ICC") {
			t.Errorf("exiftool finds %s = %v", name, value)
		}
	}
}

// chunk is one of a PNG's.
func chunk(name string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, name...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// bomb is a PNG of zeros: a few hundred kilobytes of file, and bytes bytes of pixels.
func bomb(t *testing.T, side uint32, depth, colour, interlace byte, bytes int64) []byte {
	t.Helper()
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, side), side)
	header = append(header, depth, colour, 0, 0, interlace)
	var z strings.Builder
	w := zlib.NewWriter(&z)
	zeros := make([]byte, 1<<20)
	for ; bytes > 0; bytes -= int64(len(zeros)) {
		if _, err := w.Write(zeros[:min(bytes, int64(len(zeros)))]); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	out := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", header)...)
	out = append(out, chunk("IDAT", []byte(z.String()))...)
	return append(out, chunk("IEND", nil)...)
}

// resident is the memory of this process and of its children, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	total := int64(0)
	for _, pid := range append(workers(t), os.Getpid()) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if f := strings.Fields(string(b)); err == nil && len(f) > 1 {
			pages, _ := strconv.ParseInt(f[1], 10, 64)
			total += pages * int64(os.Getpagesize())
		}
	}
	return total
}

// workers are the processes of this one that make pictures.
func workers(t *testing.T) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		b, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(b, []byte("\x00glassine-pixel-worker\x00")) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if descends(pid, os.Getpid()) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// descends reports whether a process is below another.
func descends(pid, ancestor int) bool {
	for pid > 1 {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return false
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if pid, err = strconv.Atoi(f[1]); err != nil || pid == ancestor {
			return err == nil
		}
	}
	return false
}

func TestBombsAreRefusedFromTheirHeaders(t *testing.T) {
	s := start(t)
	// A worker that is there already, so that its start counts for nothing.
	if a := s.view(t, http.MethodGet, "/sample.jpg?w=20"); a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", a.Status, a.body)
	}
	for name, b := range map[string][]byte{
		"900 megapixels in black and white":      bomb(t, 30000, 1, 0, 0, 30000*(30000/8+1)),
		"256 megapixels of RGBA, interlaced":     bomb(t, 16000, 8, 6, 1, 16000*(16000*4+1)),
		"a size that no memory could ever hold":  bomb(t, 1<<31-1, 16, 6, 0, 100),
		"a size that is beyond what PNG can say": bomb(t, 1<<31, 8, 6, 0, 100),
	} {
		key := "bomb-" + strings.Fields(name)[0] + strconv.Itoa(len(b))
		s.put(t, key, b)
		runtime.GC()
		before := resident(t)
		got := s.view(t, http.MethodGet, "/"+key+"?width=100")
		grown := resident(t) - before
		if got.StatusCode != http.StatusBadRequest && got.StatusCode != http.StatusInternalServerError || !strings.Contains(string(got.body), "<Error>") {
			t.Errorf("%s: %s: %.300s", name, got.Status, got.body)
		}
		if grown > 32<<20 {
			t.Errorf("%s: memory grew by %d MiB", name, grown>>20)
		}
		// Facts need pixels too; all else that the file says does not.
		facts := s.view(t, http.MethodGet, "/"+key+"?format=json")
		if facts.StatusCode == http.StatusOK && strings.Contains(string(facts.body), "blurhash\":\"") {
			t.Errorf("%s: was decoded for format=json", name)
		}
	}
}

// A picture whose worker dies is one failed request. The others, in flight and later, are served.
func TestPictureThatKillsItsWorkerHarmsNobodyElse(t *testing.T) {
	s := start(t)
	big := speckle(t, 3000)
	s.put(t, "big.png", big)
	var wait sync.WaitGroup
	defer wait.Wait()
	slow := make(chan answer, 1)
	wait.Go(func() {
		slow <- s.view(t, http.MethodGet, "/big.png?format=avif&lossless=true")
	})
	// The worker that is at it: the one that burns CPU.
	var victim int
	for deadline := time.Now().Add(20 * time.Second); victim == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no worker is at work")
		}
		for _, pid := range workers(t) {
			if ticks(pid) > 20 {
				victim = pid
			}
		}
	}
	others := make([]answer, 8)
	for i := range others {
		wait.Go(func() { others[i] = s.view(t, http.MethodGet, fmt.Sprintf("/sample.jpg?width=%d", 50+i)) })
	}
	if err := syscall.Kill(victim, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	if a := <-slow; a.StatusCode != http.StatusInternalServerError || !strings.Contains(string(a.body), "InternalLambdaError") {
		t.Errorf("the request whose worker died: %s: %.300s", a.Status, a.body)
	}
	wait.Wait()
	for i, a := range others {
		if a.StatusCode != http.StatusOK {
			t.Errorf("another request: %s: %.300s", a.Status, a.body)
		} else if want := fmt.Sprintf("jpeg %dx", 50+i); !strings.HasPrefix(sized(t, a.body), want) {
			t.Errorf("another request: %s, want %s", sized(t, a.body), want)
		}
	}
	admin := do(t, http.DefaultClient, request(t, http.MethodGet, "http://"+s.Addresses().Admin+"/metrics", nil))
	if !strings.Contains(string(admin.body), `glassine_picture_jobs_total{outcome="crash"} 1`) {
		t.Error("the metrics do not count the crash")
	}
}

// ticks is the CPU time of a process in hundredths of a second, 0 when it is gone. (proc_pid_stat(5).)
func ticks(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	return user
}

// encoded is an image as PNG.
func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// square is a red picture of 64 x 64 pixels.
func square(t *testing.T) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range img.Pix {
		img.Pix[i] = []byte{255, 0, 0, 255}[i%4]
	}
	return encoded(t, img)
}

// speckle is a square picture that takes long to compress.
func speckle(t *testing.T, side int) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	img := image.NewGray(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		img.Pix[i] = byte(r.Uint32())
	}
	return encoded(t, img)
}

// pixelAt is the colour of a pixel.
func pixelAt(t *testing.T, body []byte, x, y int) (r, g, b uint8) {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
	return c.R, c.G, c.B
}

// payload gives the demo's Object Lambda access point a function payload.
func (s *system) payload(t *testing.T, payload string) {
	t.Helper()
	cfg, err := s.ObjectLambda.GetConfiguration(t.Context(), s.IAM.Root(), "glassine-demo")
	if err == nil {
		cfg.Transformations[0].Payload = payload
		err = s.ObjectLambda.PutConfiguration(t.Context(), s.IAM.Root(), "glassine-demo", objectlambda.Configuration{
			SupportingAccessPoint: cfg.SupportingAccessPoint, Transformations: cfg.Transformations,
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestOperatorDecidesWhatStrangersMayAsk(t *testing.T) {
	t.Parallel()
	s := start(t)
	const key = "0123456789abcdef"
	s.payload(t, `{"presets":{"thumb":"w=64&h=64&fit=cover&f=png"},"signingKeys":["`+key+`"]}`)
	sig, err := transform.Sign(key, "/sample.jpg", "w=99")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/sample.jpg", 200, "jpeg 1200x1600"},
		{"/sample.jpg?preset=thumb", 200, "png 64x64"},
		{"/sample.jpg?w=99", 403, "AccessDenied"},
		{"/sample.jpg?" + sig, 200, "jpeg 99x74"},
		{"/sample.jpg?" + strings.Replace(sig, "99", "98", 1), 403, "AccessDenied"},
		{"/sample.jpg?preset=none", 400, "there are thumb"},
	} {
		got := s.view(t, http.MethodGet, c.path)
		is := string(got.body)
		if got.StatusCode == 200 {
			is = sized(t, got.body)
		}
		if got.StatusCode != c.status || !strings.Contains(is, c.want) {
			t.Errorf("%s: %s, %.300s, want %d, %s", c.path, got.Status, is, c.status, c.want)
		}
	}
}

func TestWatermarkAndFallbackAreReadAsTheFunctionsRole(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.payload(t, `{"watermarks":{"logo":"brand/red square.png"},"fallback":"brand/red square.png"}`)
	s.put(t, "brand/red%20square.png", square(t))
	denied := s.view(t, http.MethodGet, "/sample.jpg?w=100&wm=logo")
	if denied.StatusCode != http.StatusInternalServerError || !strings.Contains(string(denied.body), "watermark could not be read") {
		t.Errorf("without the right: %s: %s", denied.Status, denied.body)
	}
	if err := s.IAM.PutRolePolicy(t.Context(), s.IAM.Root(), imageRole, "brand",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::`+bucket+`/brand/*","`+pointARN+`/object/brand/*"]}]}`); err != nil {
		t.Fatal(err)
	}
	plain := s.view(t, http.MethodGet, "/sample.jpg?w=100&f=png")
	marked := s.view(t, http.MethodGet, "/sample.jpg?w=100&f=png&wm=logo&wm-gravity=top-left&wm-scale=0.5")
	if marked.StatusCode != http.StatusOK {
		t.Fatalf("marked: %s: %s", marked.Status, marked.body)
	}
	if r, g, b := pixelAt(t, marked.body, 5, 5); r < 250 || g > 5 || b > 5 {
		t.Errorf("the watermark's colour is %d, %d, %d", r, g, b)
	}
	r1, g1, b1 := pixelAt(t, plain.body, 90, 70)
	r2, g2, b2 := pixelAt(t, marked.body, 90, 70)
	if r1 != r2 || g1 != g2 || b1 != b2 {
		t.Error("the picture beside its watermark is another")
	}
	missing := s.view(t, http.MethodGet, "/none.jpg?w=10&onerror=fallback")
	if missing.StatusCode != http.StatusOK || sized(t, missing.body) != "png 10x10" || missing.Header.Get("Cache-Control") != "max-age=60" {
		t.Errorf("fallback: %s, %s, %s", missing.Status, sized(t, missing.body), missing.Header.Get("Cache-Control"))
	}
}

// A file whose structure cannot be trusted is decoded as far as it goes and encoded anew.
func TestDamagedPictureIsEncodedAnew(t *testing.T) {
	t.Parallel()
	s := start(t)
	damaged := append([]byte(nil), sample.JPEG...)
	at := bytes.LastIndex(damaged, []byte("\xff\xda"))
	copy(damaged[at+len(damaged[at:])/2:], "\xff\xe1\x00\x01CANARY") // a segment amid the scan, with a length that cannot be
	s.put(t, "damaged.jpg", damaged)
	got := s.view(t, http.MethodGet, "/damaged.jpg")
	if got.StatusCode != http.StatusOK || sized(t, got.body) != "jpeg 1600x1200" {
		t.Fatalf("%s: %s", got.Status, sized(t, got.body))
	}
	if bytes.Contains(got.body, []byte("CANARY")) {
		t.Error("metadata is left")
	}
	onlyProfile(t, got.body)
}

func TestPixelsTellMoreThanTheFile(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.put(t, "red.png", square(t))
	var facts struct {
		Type, DominantColor, Blurhash string
		Thumbhash                     []byte
	}
	got := s.view(t, http.MethodGet, "/red.png?format=json")
	if err := json.Unmarshal(got.body, &facts); err != nil {
		t.Fatalf("%s: %v: %s", got.Status, err, got.body)
	}
	if facts.Type != "image/png" || facts.DominantColor != "#ff0000" || len(facts.Blurhash) < 6 || len(facts.Thumbhash) < 5 {
		t.Errorf("%s", got.body)
	}
}

// One of each kind of wish, through bucket, access point, function, worker and edge.
func TestWishesComeTrue(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir := t.TempDir()
	made := func(name, format, options string) string {
		file := filepath.Join(dir, name)
		peer(t, []map[string]string{{"op": "make", "file": filepath.Join("..", "transform", "sample", "sample.jpg"), "out": file, "format": format, "options": options}})
		return file
	}
	for key, file := range map[string]string{
		"moving.gif": made("m.gif", "gif", `{"frames":3,"width":60}`), "moving.webp": made("m.webp", "webp", `{"frames":3,"width":60}`),
		"a.tiff": made("a.tiff", "tiff", `{"width":60}`), "a.avif": made("a.avif", "avif", `{"effort":1,"width":60}`),
		"p3.jpg": made("p3.jpg", "jpeg", `{"width":60,"icc":"p3"}`),
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s.put(t, key, b)
	}
	s.put(t, "icon.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><script>alert(1)</script><rect width="10" height="10" fill="#00f"/></svg>`))
	for _, c := range []struct{ path, want string }{
		{"/sample.jpg?orient=bake", "jpeg 1600x1200"},
		{"/sample.jpg?w=100&h=100&fit=cover", "jpeg 100x100"},
		{"/sample.jpg?w=100&h=100&fit=pad&bg=red&f=png", "png 100x100"},
		{"/sample.jpg?w=100&h=100", "jpeg 100x75"},
		{"/sample.jpg?w=100&h=100&fit=squeeze", "jpeg 100x100"},
		{"/sample.jpg?w=100&dpr=2", "jpeg 200x150"},
		{"/sample.jpg?w=9000", "cannot be"},
		{"/sample.jpg?crop=0,0,400,300", "jpeg 400x300"},
		{"/sample.jpg?crop=0.0,0.0,0.5,0.25", "jpeg 800x300"},
		{"/sample.jpg?trim=100;200;100;200", "jpeg 1200x1000"},
		{"/sample.jpg?w=100&rotate=90", "jpeg 100x133"},
		{"/sample.jpg?w=100&padding=10&border=2,white&radius=8&text=glassine&f=webp", "webp 120x95"},
		{"/sample.jpg?w=100&blur=2&sharpen=1&brightness=1.1&contrast=0.9&saturation=0&gamma=1.2&flip=hv", "jpeg 100x75"},
		{"/sample.jpg?w=800&max-bytes=15000", "jpeg 800x600"},
		{"/moving.gif?w=30", "gif 30x"},
		{"/moving.gif?w=30&f=webp", "webp 30x"},
		{"/moving.webp?w=30&f=gif", "gif 30x"},
		{"/moving.gif?w=30&anim=false&f=png", "png 30x"},
		{"/a.tiff?w=30&f=auto", "jpeg 30x"},
		{"/a.avif?w=30", "avif 30x"},
		{"/p3.jpg?icc=srgb", "jpeg 60x"},
		{"/icon.svg?w=300", "png 300x300"},
	} {
		got := s.view(t, http.MethodGet, c.path)
		is := string(got.body)
		if got.StatusCode == http.StatusOK {
			is = sized(t, got.body)
		}
		if !strings.Contains(is, c.want) {
			t.Errorf("%s: %s, %.300s, want %s", c.path, got.Status, is, c.want)
		}
		if strings.Contains(c.path, "max-bytes") && len(got.body) > 15000 {
			t.Errorf("%s: %d bytes", c.path, len(got.body))
		}
		if strings.HasPrefix(c.path, "/moving") && !strings.Contains(c.path, "anim=false") {
			var about struct{ Pages int }
			text := peer(t, []map[string]string{{"op": "about", "file": writeTemp(t, "moving", got.body)}})[0]
			if err := json.Unmarshal([]byte(text), &about); err != nil || about.Pages != 3 {
				t.Errorf("%s: %d frames, want 3", c.path, about.Pages)
			}
		}
		if c.path == "/p3.jpg?icc=srgb" {
			for name := range tags(t, writeTemp(t, "srgb.jpg", got.body)) {
				t.Errorf("%s: exiftool finds %s", c.path, name)
			}
		}
		if c.path == "/icon.svg?w=300" {
			if r, g, b := pixelAt(t, got.body, 150, 150); r != 0 || g != 0 || b != 255 {
				t.Errorf("%s: the colour is %d, %d, %d", c.path, r, g, b)
			}
		}
	}
}
