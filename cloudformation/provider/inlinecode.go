package provider

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"strings"
	"time"

	"glassine/aws/fault"
)

//go:embed inline/cfn-response.js
var cfnResponseJS string

//go:embed inline/cfnresponse.py
var cfnResponsePy string

// maxInline is how many characters code in a template may have. (CloudFormation Template Reference, AWS::Lambda::Function
// Code, ZipFile: 4 MB.)
const maxInline = 4 << 20

// inlineArchive is an archive of code that stands in a template: the file index of the runtime's language, and the module that
// answers CloudFormation when the code uses it. The same code gives the same bytes.
func inlineArchive(runtime, source string) ([]byte, error) {
	var name, module, at, text string
	switch {
	case strings.HasPrefix(runtime, "nodejs"): // which looks for what is required by a bare name in node_modules alone
		name, module, at, text = "index.js", "cfn-response", "node_modules/cfn-response/index.js", cfnResponseJS
	case strings.HasPrefix(runtime, "python"):
		name, module, at, text = "index.py", "cfnresponse", "cfnresponse.py", cfnResponsePy
	default:
		return nil, fault.New("InvalidParameterValueException", "ZipFile can only be used when Runtime is set to either of nodejs*, python*.")
	}
	if len(source) > maxInline {
		return nil, fault.New("InvalidParameterValueException", "ZipFile is longer than %d characters.", maxInline)
	}
	files := map[string]string{name: source}
	if strings.Contains(source, module) {
		files[at] = text
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, file := range sortedKeys(files) {
		h := &zip.FileHeader{Name: file, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(0o644)
		f, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := f.Write([]byte(files[file])); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
