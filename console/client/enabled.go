package client

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
)

// replaceEnabled returns a DistributionConfig whose own Enabled is on, and every other byte as it was: what the console does
// not know of a configuration goes back as it came.
func replaceEnabled(config []byte, on bool) ([]byte, error) {
	d := xml.NewDecoder(bytes.NewReader(config))
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the distribution's configuration has no Enabled")
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth != 2 || t.Name.Local != "Enabled" {
				continue
			}
			start := d.InputOffset()
			if err := d.Skip(); err != nil {
				return nil, err
			}
			end := bytes.LastIndex(config[:d.InputOffset()], []byte("</"))
			if end < int(start) {
				return nil, errors.New("the distribution's configuration has an empty Enabled")
			}
			return append(strconv.AppendBool(append([]byte(nil), config[:start]...), on), config[end:]...), nil
		case xml.EndElement:
			depth--
		}
	}
}
