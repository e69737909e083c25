package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Assembly is a cdk.out directory: the stacks that a CDK app makes. Its form is the CDK's "cloud assembly schema"; versions 36 to
// 55 were read (aws-cdk-lib 2.276.0 writes 55), and newer ones are taken as long as what is read here is there.
type Assembly struct {
	// Dir is where it was read.
	Dir string
	// Stacks are in an order in which each comes after those that it depends on.
	Stacks []*AssemblyStack
}

// AssemblyStack is one stack of an assembly.
type AssemblyStack struct {
	// Name is the stack's, ID the artifact's, which differ where the app names the stack.
	Name, ID string
	// Account and Region are where the app wants it; "" means anywhere.
	Account, Region string
	// DependsOn are the IDs of the stacks that must be there before.
	DependsOn  []string
	Template   *Template
	Tags       map[string]string
	Parameters map[string]string
	// Protected is the app's terminationProtection.
	Protected bool

	dir    string
	url    string // where the app wants the template, s3://bucket/key
	assets []asset
}

// asset is a file, or a folder to be made an archive, and where the template expects it. The strings have placeholders in them.
type asset struct {
	id           string
	path         string
	zip          bool
	destinations []destination
}

type destination struct{ BucketName, ObjectKey, Region string }

// IsAssembly reports whether a folder is a cdk.out.
func IsAssembly(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "manifest.json"))
	return err == nil
}

// manifest is as much of manifest.json as is read here.
type manifest struct {
	Version   string
	Artifacts map[string]artifact
}

type artifact struct {
	Type         string
	Environment  string
	Dependencies []string
	Properties   struct {
		TemplateFile                string
		StackName                   string
		TerminationProtection       bool
		StackTemplateAssetObjectURL string `json:"stackTemplateAssetObjectUrl"`
		Tags                        map[string]string
		Parameters                  map[string]string
		File                        string
		DirectoryName               string
	}
}

// ReadAssembly reads a cdk.out directory, with the assemblies of its stages.
func ReadAssembly(dir string) (*Assembly, error) {
	a := &Assembly{Dir: dir}
	if err := a.read(dir, 0); err != nil {
		return nil, err
	}
	if len(a.Stacks) == 0 {
		return nil, fmt.Errorf("%s: there is no stack in it", dir)
	}
	return a, a.sort()
}

func (a *Assembly) read(dir string, depth int) error {
	if depth > 10 {
		return fmt.Errorf("%s: assemblies nested deeper than 10", dir)
	}
	var m manifest
	if err := readJSON(filepath.Join(dir, "manifest.json"), &m); err != nil {
		return err
	}
	if m.Version == "" {
		return fmt.Errorf("%s: its manifest.json has no version: it is no cdk.out", dir)
	}
	assets := map[string][]asset{}
	for _, id := range slices.Sorted(maps.Keys(m.Artifacts)) {
		x := m.Artifacts[id]
		var err error
		switch x.Type {
		case "cdk:asset-manifest":
			assets[id], err = readAssets(dir, x.Properties.File)
		case "cdk:cloud-assembly":
			err = a.read(filepath.Join(dir, filepath.FromSlash(x.Properties.DirectoryName)), depth+1)
		}
		if err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.Artifacts)) {
		x := m.Artifacts[id]
		if x.Type != "aws:cloudformation:stack" {
			continue
		}
		s, err := readStack(dir, id, x)
		if err != nil {
			return err
		}
		for _, d := range x.Dependencies {
			s.assets = append(s.assets, assets[d]...)
		}
		a.Stacks = append(a.Stacks, s)
	}
	return nil
}

func readStack(dir, id string, x artifact) (*AssemblyStack, error) {
	p := x.Properties
	s := &AssemblyStack{
		ID: id, Name: p.StackName, DependsOn: x.Dependencies, Tags: p.Tags, Parameters: p.Parameters, Protected: p.TerminationProtection, dir: dir, url: p.StackTemplateAssetObjectURL,
	}
	if s.Name == "" {
		s.Name = id
	}
	account, region, ok := strings.Cut(strings.TrimPrefix(x.Environment, "aws://"), "/")
	if !ok {
		return nil, fmt.Errorf("%s: stack %s: its environment %q is not aws://account/region", dir, id, x.Environment)
	}
	if account != "unknown-account" {
		s.Account = account
	}
	if region != "unknown-region" {
		s.Region = region
	}
	var err error
	s.Template, err = ReadTemplate(filepath.Join(dir, filepath.FromSlash(p.TemplateFile)))
	return s, err
}

// readAssets reads an asset manifest.
func readAssets(dir, file string) ([]asset, error) {
	var m struct {
		Files map[string]struct {
			Source struct {
				Path, Packaging string
				Executable      []string
			}
			Destinations map[string]destination
		}
		DockerImages map[string]json.RawMessage
	}
	if err := readJSON(filepath.Join(dir, filepath.FromSlash(file)), &m); err != nil {
		return nil, err
	}
	if len(m.DockerImages) > 0 {
		return nil, fmt.Errorf("%s: container images are not supported by glassine: use functions from folders or archives", file)
	}
	var out []asset
	for _, id := range slices.Sorted(maps.Keys(m.Files)) {
		f := m.Files[id]
		if f.Source.Path == "" {
			return nil, fmt.Errorf("%s: asset %s is made by a command (%s): run cdk synth where that command is", file, id, strings.Join(f.Source.Executable, " "))
		}
		path := filepath.FromSlash(f.Source.Path)
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		x := asset{id: id, path: path, zip: f.Source.Packaging == "zip"}
		for _, d := range slices.Sorted(maps.Keys(f.Destinations)) {
			x.destinations = append(x.destinations, f.Destinations[d])
		}
		out = append(out, x)
	}
	return out, nil
}

// maxManifest bounds what is read of a file of JSON.
const maxManifest = 32 << 20

func readJSON(file string, out any) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.Size() > maxManifest {
		return fmt.Errorf("%s: it is larger than %d MiB", file, maxManifest>>20)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// sort puts each stack behind those that it depends on, else by ID, and leaves in DependsOn only stacks.
func (a *Assembly) sort() error {
	slices.SortFunc(a.Stacks, func(x, y *AssemblyStack) int { return strings.Compare(x.ID, y.ID) })
	stack := map[string]bool{}
	for _, s := range a.Stacks {
		stack[s.ID] = true
	}
	for _, s := range a.Stacks {
		s.DependsOn = slices.DeleteFunc(slices.Clone(s.DependsOn), func(id string) bool { return !stack[id] })
	}
	var sorted []*AssemblyStack
	placed := map[string]bool{}
	for len(sorted) < len(a.Stacks) {
		before := len(sorted)
		for _, s := range a.Stacks {
			if !placed[s.ID] && !slices.ContainsFunc(s.DependsOn, func(id string) bool { return !placed[id] }) {
				sorted, placed[s.ID] = append(sorted, s), true
				break
			}
		}
		if len(sorted) == before {
			return errors.New("the stacks depend on each other in a circle")
		}
	}
	a.Stacks = sorted
	return nil
}

// Select keeps the stacks that are named, by name or ID, and those that they depend on.
func (a *Assembly) Select(names ...string) error {
	wanted := map[string]bool{}
	for _, name := range names {
		i := slices.IndexFunc(a.Stacks, func(s *AssemblyStack) bool { return s.Name == name || s.ID == name })
		if i < 0 {
			return fmt.Errorf("%s has no stack %s: there are %s", a.Dir, name, strings.Join(a.names(), ", "))
		}
		wanted[a.Stacks[i].ID] = true
	}
	for _, s := range slices.Backward(a.Stacks) { // whoever needs it comes first
		if wanted[s.ID] {
			for _, d := range s.DependsOn {
				wanted[d] = true
			}
		}
	}
	a.Stacks = slices.DeleteFunc(a.Stacks, func(s *AssemblyStack) bool { return !wanted[s.ID] })
	return nil
}

func (a *Assembly) names() []string {
	var out []string
	for _, s := range a.Stacks {
		out = append(out, s.Name)
	}
	return out
}

// Job is the deployment of one stack of the assembly in an account and region.
func (s *AssemblyStack) Job(ctx context.Context, c *Client) (*Job, error) {
	account, err := c.Account(ctx)
	if err != nil {
		return nil, err
	}
	if s.Account != "" && s.Account != account {
		return nil, fmt.Errorf("stack %s was synthesized for account %s, and this is %s: synthesize it for this one (CDK_DEFAULT_ACCOUNT=%s), or glassine import %s", s.Name, s.Account, account, account, s.dir)
	}
	region := s.Region
	if region == "" {
		region = c.Region
	}
	return &Job{Stack: s.Name, Region: region, Template: s.Template, Tags: s.Tags, Parameters: maps.Clone(s.Parameters), Protected: s.Protected, assembly: s}, nil
}

// placeholders puts values in the place of CDK's placeholders. Cloud assembly schema, "EnvironmentPlaceholders".
func placeholders(account, region string) *strings.Replacer {
	return strings.NewReplacer("${AWS::AccountId}", account, "${AWS::Region}", region, "${AWS::Partition}", "aws")
}

// publish puts the assets of the stack where its template expects them; the template itself is an asset too, and is left out.
func (s *AssemblyStack) publish(ctx context.Context, st *staging, account string) error {
	replace := placeholders(account, st.Region)
	for _, x := range s.assets {
		for _, d := range x.destinations {
			bucket, key := replace.Replace(d.BucketName), replace.Replace(d.ObjectKey)
			if "s3://"+bucket+"/"+key == replace.Replace(s.url) {
				continue
			}
			in := newStaging(st.In(replace.Replace(d.Region)), bucket, st.note)
			contentType := "application/octet-stream"
			if x.zip {
				contentType = "application/zip"
			}
			if err := in.ensure(ctx, bucket, key, contentType, x.body); err != nil {
				return fmt.Errorf("asset %s of %s: %w", x.id, s.Name, err)
			}
		}
	}
	return nil
}

// body makes the asset's bytes.
func (x *asset) body() ([]byte, error) {
	info, err := os.Stat(x.path)
	if err != nil {
		return nil, err
	}
	if !x.zip || !info.IsDir() {
		if info.Size() > maxArchive {
			return nil, fmt.Errorf("%s: larger than %d MiB", x.path, maxArchive>>20)
		}
		return os.ReadFile(x.path)
	}
	a, err := readArchive(x.path)
	if err != nil {
		return nil, err
	}
	return a.zip()
}

// Move makes a stack one of another account: its template's ARNs, and the places of its assets. The notes say what changed.
func (s *AssemblyStack) Move(account string) (*Adaptation, error) {
	from := s.Account
	a := Adapt(s.Template, account, from)
	if from != "" && from != account {
		for i := range s.assets {
			moved := slices.Clone(s.assets[i].destinations) // stacks may share them
			for n, d := range moved {
				moved[n].BucketName, moved[n].ObjectKey = strings.ReplaceAll(d.BucketName, from, account), strings.ReplaceAll(d.ObjectKey, from, account)
			}
			s.assets[i].destinations = moved
		}
		s.url = strings.ReplaceAll(s.url, from, account)
	}
	s.Account = account
	var err error
	s.Template, err = a.Template()
	return a, err
}
