package console

import (
	"net/url"
	"strings"

	"glassine/aws/arn"
	"glassine/console/client"
)

// pointsData are the access points, and what the form to make one offers.
type pointsData struct {
	Points  []client.AccessPoint
	Buckets []client.Bucket
}

func pointsPage(q *request) error {
	var d pointsData
	var err error
	if d.Points, err = q.aws.ListAccessPoints(q.ctx(), ""); err != nil {
		return err
	}
	d.Buckets, _ = q.aws.ListBuckets(q.ctx()) // who may not list them writes a name
	return q.show("points", "point", "Access points", d)
}

func createPoint(q *request) error {
	name, bucket := strings.TrimSpace(q.form("name")), strings.TrimSpace(q.form("bucket"))
	if err := q.aws.CreateAccessPoint(q.ctx(), name, bucket); err != nil {
		return q.again(err, pointsPage)
	}
	return q.done("/points/"+url.PathEscape(name), "Made the access point "+name+" of "+bucket+".")
}

// pointData is the page of an access point of either kind.
type pointData struct {
	Name, ARN, Policy string
	Point             client.AccessPoint   // of a plain one
	Lambda            *client.ObjectLambda // of an Object Lambda one
	Config            client.Configuration
	Supporting        string // name
	Key, Said         string // a test GET: the key, what came of it
}

func pointPage(q *request) error {
	d := pointData{Name: q.r.PathValue("name")}
	var err error
	if d.Point, err = q.aws.GetAccessPoint(q.ctx(), d.Name); err != nil {
		return err
	}
	d.ARN = d.Point.Arn
	if policy, err := q.aws.GetAccessPointPolicy(q.ctx(), d.Name, false); err == nil {
		d.Policy = indented(policy)
	}
	return q.show("point", "point", d.Name, d)
}

func pointAction(q *request) error {
	name := q.r.PathValue("name")
	if q.form("do") == "delete" {
		if err := q.aws.DeleteAccessPoint(q.ctx(), name); err != nil {
			return q.again(err, pointPage)
		}
		return q.done("/points", "Deleted the access point "+name+".")
	}
	if err := q.aws.PutAccessPointPolicy(q.ctx(), name, false, strings.TrimSpace(q.form("policy"))); err != nil {
		return q.again(err, pointPage)
	}
	return q.done("/points/"+url.PathEscape(name), "The policy of "+name+" is set.")
}

// lambdasData are the Object Lambda access points, and what the form to make one offers.
type lambdasData struct {
	Rows      []lambdaRow
	Points    []client.AccessPoint
	Functions []client.Function
}

// lambdaRow is an Object Lambda access point with its configuration, nil where that may not be read.
type lambdaRow struct {
	client.ObjectLambda
	Config *client.Configuration
}

func lambdasPage(q *request) error {
	all, err := q.aws.ListObjectLambdas(q.ctx())
	if err != nil {
		return err
	}
	d := lambdasData{Rows: make([]lambdaRow, len(all))}
	for i, p := range all {
		d.Rows[i].ObjectLambda = p
		if cfg, err := q.aws.GetObjectLambdaConfiguration(q.ctx(), p.Name); err == nil {
			d.Rows[i].Config = &cfg
		}
	}
	d.Points, _ = q.aws.ListAccessPoints(q.ctx(), "") // who may not list them writes an ARN
	d.Functions, _ = q.aws.ListFunctions(q.ctx())     // likewise
	return q.show("lambdas", "olap", "Object Lambda access points", d)
}

func createLambda(q *request) error {
	name := strings.TrimSpace(q.form("name"))
	cfg := client.Configuration{
		SupportingAccessPoint: strings.TrimSpace(q.form("supporting")),
		Transformations:       []client.Transformation{{Actions: []string{"GetObject"}, ARN: strings.TrimSpace(q.form("function"))}},
	}
	if err := q.aws.CreateObjectLambda(q.ctx(), name, cfg); err != nil {
		return q.again(err, lambdasPage)
	}
	return q.done("/object-lambda/"+url.PathEscape(name), "Made the Object Lambda access point "+name+".")
}

func lambdaPage(q *request) error {
	d := pointData{Name: q.r.PathValue("name"), Lambda: &client.ObjectLambda{}}
	all, err := q.aws.ListObjectLambdas(q.ctx())
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Name == d.Name {
			*d.Lambda, d.ARN = p, p.Arn
		}
	}
	if d.Config, err = q.aws.GetObjectLambdaConfiguration(q.ctx(), d.Name); err != nil {
		return err
	}
	if a, err := arn.Parse(d.Config.SupportingAccessPoint); err == nil {
		d.Supporting = a.Name("accesspoint")
	}
	if policy, err := q.aws.GetAccessPointPolicy(q.ctx(), d.Name, true); err == nil {
		d.Policy = indented(policy)
	}
	return q.show("point", "olap", d.Name, d)
}

func lambdaAction(q *request) error {
	name := q.r.PathValue("name")
	if q.form("do") == "delete" {
		if err := q.aws.DeleteObjectLambda(q.ctx(), name); err != nil {
			return q.again(err, lambdaPage)
		}
		return q.done("/object-lambda", "Deleted the Object Lambda access point "+name+".")
	}
	if err := q.aws.PutAccessPointPolicy(q.ctx(), name, true, strings.TrimSpace(q.form("policy"))); err != nil {
		return q.again(err, lambdaPage)
	}
	return q.done("/object-lambda/"+url.PathEscape(name), "The policy of "+name+" is set.")
}

func (c *Console) pointRoutes(show, do func(string, handler)) {
	show("/points", pointsPage)
	do("/points", createPoint)
	show("/points/{name}", pointPage)
	do("/points/{name}", pointAction)
	show("/object-lambda", lambdasPage)
	do("/object-lambda", createLambda)
	show("/object-lambda/{name}", lambdaPage)
	do("/object-lambda/{name}", lambdaAction)
}
