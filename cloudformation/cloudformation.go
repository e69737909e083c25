// Package cloudformation makes stacks of resources out of CloudFormation templates: it plans a change as a graph, carries it
// out in parallel, keeps a journal on disk of every step, and goes back when a step fails. It knows no resource by itself:
// resource types are given to it, see Type, and drive the domain services as the caller.
//
// Start at Service.
package cloudformation
