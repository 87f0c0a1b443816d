package tables

import (
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"sync"
)

// Table is one table of the contract.
type Table struct {
	Name string
	// Comment tells what one row is.
	Comment string
	// Row is the struct whose fields are the columns.
	Row     reflect.Type
	Columns []Column
}

// Column is one column of a table.
type Column struct {
	Name string
	// Field is the index of the struct's field.
	Field int
	// SQLType is DuckDB's name of the type, as in BIGINT, INTEGER[], MAP(VARCHAR, DOUBLE).
	SQLType string
	// Nullable: the value may be NULL.
	Nullable bool
	// ZeroIsNull: the field's zero is stored as NULL.
	ZeroIsNull bool
	// Comment tells what the value means.
	Comment string
}

// Keys are the columns that every table has besides its own: they come from the path of a file.
var Keys = []Column{
	{Name: "scenario", Field: -1, SQLType: "VARCHAR", Comment: "the scenario's name"},
	{Name: "apply", Field: -1, SQLType: "VARCHAR", Comment: "the apply that made the row"},
}

var rows = []struct {
	name string
	row  reflect.Type
}{
	{"trials", reflect.TypeFor[Trial]()},
	{"requests", reflect.TypeFor[Request]()},
	{"stages", reflect.TypeFor[Stage]()},
	{"summaries", reflect.TypeFor[Summary]()},
	{"verdicts", reflect.TypeFor[Verdict]()},
	{"series", reflect.TypeFor[Series]()},
	{"samples", reflect.TypeFor[Sample]()},
	{"request_resources", reflect.TypeFor[RequestResource]()},
	{"targets", reflect.TypeFor[Target]()},
	{"events", reflect.TypeFor[Event]()},
	{"schedules", reflect.TypeFor[Arrival]()},
	{"bodies", reflect.TypeFor[Body]()},
}

// The comments of the fields are the comments of the columns, so that there is one place to tell them.
//
//go:embed request.go resource.go trial.go
var source embed.FS

var all = sync.OnceValue(func() []Table {
	comments := readComments()
	var ts []Table
	for _, r := range rows {
		t := Table{Name: r.name, Row: r.row, Comment: comments[r.row.Name()]}
		for i := range r.row.NumField() {
			c := columnOf(r.row.Field(i))
			c.Field = i
			c.Comment = comments[r.row.Name()+"."+r.row.Field(i).Name]
			t.Columns = append(t.Columns, c)
		}
		ts = append(ts, t)
	}
	return ts
})

// All lists the tables of the contract. The slice is shared: don't change it.
func All() []Table { return all() }

// Named is the table of that name.
func Named(name string) (Table, bool) {
	for _, t := range All() {
		if t.Name == name {
			return t, true
		}
	}
	return Table{}, false
}

// Of is the table whose rows are T; it panics where there is none.
func Of[T any]() Table {
	for _, t := range All() {
		if t.Row == reflect.TypeFor[T]() {
			return t
		}
	}
	panic(fmt.Sprintf("tables: no table has rows of type %v", reflect.TypeFor[T]()))
}

// ColumnName is the name of the column that a field's tag tells.
func ColumnName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("col"), ",")
	return name
}

func columnOf(f reflect.StructField) Column {
	_, options, _ := strings.Cut(f.Tag.Get("col"), ",")
	c := Column{Name: ColumnName(f), SQLType: sqlType(f.Type)}
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "null":
			c.ZeroIsNull, c.Nullable = true, true
		case "json":
			c.SQLType = "JSON"
		}
	}
	if _, ok := NullOf(f.Type); ok {
		c.Nullable = true
	}
	return c
}

// NullOf is the type of the value in a Null.
func NullOf(t reflect.Type) (value reflect.Type, ok bool) {
	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[Table]().PkgPath() || !strings.HasPrefix(t.Name(), "Null[") {
		return nil, false
	}
	return t.Field(0).Type, true
}

func sqlType(t reflect.Type) string {
	if v, ok := NullOf(t); ok {
		return sqlType(v)
	}
	switch t.Kind() {
	case reflect.Bool:
		return "BOOLEAN"
	case reflect.Int8:
		return "TINYINT"
	case reflect.Int16:
		return "SMALLINT"
	case reflect.Int32:
		return "INTEGER"
	case reflect.Int64:
		return "BIGINT"
	case reflect.Float64:
		return "DOUBLE"
	case reflect.String:
		return "VARCHAR"
	case reflect.Slice:
		return sqlType(t.Elem()) + "[]"
	case reflect.Map:
		return "MAP(" + sqlType(t.Key()) + ", " + sqlType(t.Elem()) + ")"
	}
	panic(fmt.Sprintf("tables: a column can't be a %v", t))
}

// readComments gives the comments of the structs, by name, and of their fields, by Struct.Field.
func readComments() map[string]string {
	comments := map[string]string{}
	files, err := source.ReadDir(".")
	if err != nil {
		panic(err)
	}
	for _, e := range files {
		text, err := source.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			panic(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				addComments(comments, g, s.(*ast.TypeSpec))
			}
		}
	}
	return comments
}

func addComments(comments map[string]string, g *ast.GenDecl, s *ast.TypeSpec) {
	st, ok := s.Type.(*ast.StructType)
	if !ok {
		return
	}
	doc := strings.Join(strings.Fields(g.Doc.Text()), " ")
	comments[s.Name.Name] = strings.TrimPrefix(doc, s.Name.Name+" is ")
	for _, f := range st.Fields.List {
		text := f.Comment.Text()
		if text == "" {
			text = f.Doc.Text()
		}
		for _, n := range f.Names {
			comments[s.Name.Name+"."+n.Name] = strings.TrimSpace(text)
		}
	}
}
