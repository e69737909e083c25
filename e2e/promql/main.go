// Command promql says which metrics PromQL queries use, and by which labels, as Prometheus's own parser reads them: a JSON array of
// queries on standard input, one use a line on standard output, "metric label label ...". It is for tests, which compare that with
// what the program exports.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	var queries []string
	if err := json.NewDecoder(os.Stdin).Decode(&queries); err != nil {
		log.Fatal(err)
	}
	p := parser.NewParser(parser.Options{})
	for _, q := range queries {
		e, err := p.ParseExpr(q)
		if err != nil {
			log.Fatalf("%s: %v", q, err)
		}
		parser.Inspect(e, func(n parser.Node, path []parser.Node) error {
			selector, ok := n.(*parser.VectorSelector)
			if ok {
				fmt.Println(use(selector, path))
			}
			return nil
		})
	}
}

// use is a selector's metric and the labels that it and what stands around it name.
func use(s *parser.VectorSelector, path []parser.Node) string {
	name, used := s.Name, map[string]bool{}
	for _, m := range s.LabelMatchers {
		if m.Name == labels.MetricName {
			name = m.Value
		} else {
			used[m.Name] = true
		}
	}
	for _, n := range path {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				used[label] = true
			}
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				for _, label := range append(n.VectorMatching.MatchingLabels, n.VectorMatching.Include...) {
					used[label] = true
				}
			}
		}
	}
	var list []string
	for label := range used {
		list = append(list, label)
	}
	slices.Sort(list)
	return strings.Join(append([]string{name}, list...), " ")
}
