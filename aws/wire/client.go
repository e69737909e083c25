package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
)

// Client sends signed requests to AWS's APIs, as our own command line does.
type Client struct {
	Credentials sigv4.Credentials
	HTTP        *http.Client // must reach AWS's names
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// Send signs a request and returns the body of its answer. An error that AWS's wire carried is a *fault.Error.
func (c *Client) Send(service, region, method, url string, header http.Header, body []byte) ([]byte, error) {
	return c.SendContext(context.Background(), service, region, method, url, header, body)
}

// SendContext is Send that ends with ctx.
func (c *Client) SendContext(ctx context.Context, service, region, method, url string, header http.Header, body []byte) ([]byte, error) {
	answer, err := c.Open(ctx, service, region, method, url, header, body)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	raw, err := io.ReadAll(io.LimitReader(answer, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return raw, nil
}

// Open is SendContext for an answer of any length: its body as it comes. The caller closes it.
func (c *Client) Open(ctx context.Context, service, region, method, url string, header http.Header, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	sigv4.Sign(req, c.Credentials, region, service, sigv4.PayloadSHA256(body), time.Now())
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("is glassine running? %w", err)
	}
	if resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return nil, readFault(resp, raw)
}

// readFault reads an error in the forms of the JSON protocols and of the XML ones.
func readFault(resp *http.Response, raw []byte) error {
	f := &fault.Error{Status: resp.StatusCode, Code: resp.Header.Get("X-Amzn-Errortype")}
	var j struct {
		Type    string `json:"__type"`
		Message string
	}
	if json.Unmarshal(raw, &j) == nil {
		if f.Message = j.Message; f.Code == "" {
			f.Code = j.Type
		}
	} else {
		var x struct {
			Code, Message string
			Error         struct{ Code, Message string }
		}
		if xml.Unmarshal(raw, &x) == nil {
			if f.Code, f.Message = x.Error.Code, x.Error.Message; f.Code == "" {
				f.Code, f.Message = x.Code, x.Message
			}
		}
	}
	if f.Code == "" {
		f.Code, f.Message = "Error", resp.Status
	}
	for _, name := range []string{"X-Amz-Request-Id", "X-Amzn-Requestid"} {
		if id := resp.Header.Get(name); id != "" {
			f.Fields = append(f.Fields, fault.Field{Name: "RequestId", Value: id})
		}
	}
	return f
}
