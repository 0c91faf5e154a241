//go:build tools

// Package language pins the language host that runs Pulumi programs written for Node.
package language

import _ "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"
