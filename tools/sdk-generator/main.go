// Command sdk-generator writes the Node.js SDK of a Pulumi schema into a folder.
//
// Usage: sdk-generator SCHEMA.json FOLDER
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sdk-generator SCHEMA.json FOLDER")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "sdk-generator: %v\n", err)
		os.Exit(1)
	}
}

func generate(schemaFile, folder string) error {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		return fmt.Errorf("the schema cannot be read: %w", err)
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return fmt.Errorf("%s is not a schema: %w", schemaFile, err)
	}
	// The package refers to no other one, so that no loader is needed.
	pkg, err := schema.ImportSpec(spec, map[string]schema.Language{"nodejs": nodejs.Importer}, schema.NewNullLoader(), schema.ValidationOptions{AllowDanglingReferences: false})
	if err != nil {
		return fmt.Errorf("%s is not valid: %w", schemaFile, err)
	}
	files, err := nodejs.GeneratePackage("hyperlab", pkg, nil, nil, false, nil)
	if err != nil {
		return fmt.Errorf("the SDK of %s cannot be generated: %w", schemaFile, err)
	}
	if files["package.json"], err = packageFile(files["package.json"]); err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("the folder of %s cannot be made: %w", path, err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return fmt.Errorf("%s cannot be written: %w", path, err)
		}
	}
	return nil
}

// packageFile turns the metadata of a package that is published from its build folder into that of a folder which
// another package takes as a dependency: with an entry point, and without tools that the outer package has.
func packageFile(generated []byte) ([]byte, error) {
	var metadata map[string]any
	if err := json.Unmarshal(generated, &metadata); err != nil {
		return nil, fmt.Errorf("the generated package.json cannot be read: %w", err)
	}
	delete(metadata, "scripts")
	delete(metadata, "devDependencies")
	metadata["main"] = "bin/index.js"
	metadata["types"] = "bin/index.d.ts"
	metadata["private"] = true
	text, err := json.MarshalIndent(metadata, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("package.json cannot be written: %w", err)
	}
	return append(text, '\n'), nil
}
