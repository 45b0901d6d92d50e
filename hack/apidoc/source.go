package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// source is what the page tells of the Go types.
type source struct {
	types  map[string]goType
	groups []constants
}

// goType is a struct: its comment, and its fields in order.
type goType struct {
	doc    string
	fields []field
}

// field names a JSON member and the Go type of its elements.
type field struct {
	name, typeName string
}

// constants are declared together.
type constants struct {
	doc     string
	members []constant
}

// constant is a string; doc is its comment after its name.
type constant struct {
	name, typeName, value, doc string
}

func readSource(folder string) (*source, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	s := &source{types: map[string]goType{}}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			switch {
			case ok && general.Tok == token.TYPE:
				s.addTypes(general)
			case ok && general.Tok == token.CONST:
				if err := s.addConstants(general); err != nil {
					return nil, fmt.Errorf("%s: %w", path, err)
				}
			}
		}
	}
	return s, nil
}

func (s *source) addTypes(declaration *ast.GenDecl) {
	for _, spec := range declaration.Specs {
		named, isType := spec.(*ast.TypeSpec)
		if !isType {
			continue
		}
		described := goType{doc: prose(declaration.Doc)}
		if body, isStruct := named.Type.(*ast.StructType); isStruct {
			for _, member := range body.Fields.List {
				if member.Tag == nil {
					continue
				}
				tag := reflect.StructTag(strings.Trim(member.Tag.Value, "`")).Get("json")
				name, _, _ := strings.Cut(tag, ",")
				described.fields = append(described.fields, field{name: name, typeName: elementType(member.Type)})
			}
		}
		s.types[named.Name.Name] = described
	}
}

func (s *source) addConstants(declaration *ast.GenDecl) error {
	group := constants{doc: prose(declaration.Doc)}
	for _, spec := range declaration.Specs {
		named, isValue := spec.(*ast.ValueSpec)
		if !isValue || len(named.Values) != 1 {
			continue
		}
		literal, isLiteral := named.Values[0].(*ast.BasicLit)
		if !isLiteral || literal.Kind != token.STRING {
			continue
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			return err
		}
		name := named.Names[0].Name
		group.members = append(group.members, constant{
			name: name, typeName: elementType(named.Type), value: value, doc: strings.TrimPrefix(prose(named.Doc), name),
		})
	}
	s.groups = append(s.groups, group)
	return nil
}

// elementType is the name of a type of this package, or of the elements of a pointer or a slice; "" for others.
func elementType(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return elementType(e.X)
	case *ast.ArrayType:
		return elementType(e.Elt)
	}
	return ""
}

// prose is a comment without its markers; paragraphs are separated by empty lines.
func prose(comment *ast.CommentGroup) string {
	if comment == nil {
		return ""
	}
	var lines []string
	for line := range strings.Lines(comment.Text()) {
		if !strings.HasPrefix(line, "+") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// meanings are the constants of a type, whose values are those given.
func (s *source) meanings(typeName string, values []string) []constant {
	var found []constant
	for _, value := range values {
		for _, group := range s.groups {
			for _, member := range group.members {
				if typeName != "" && member.typeName == typeName && member.value == value {
					found = append(found, member)
				}
			}
		}
	}
	return found
}

// prefixed is the group whose constants' names begin with a prefix.
func (s *source) prefixed(prefix string) (constants, error) {
	for _, group := range s.groups {
		if len(group.members) > 0 && strings.HasPrefix(group.members[0].name, prefix) {
			return group, nil
		}
	}
	return constants{}, fmt.Errorf("no constants are called %s…", prefix)
}
