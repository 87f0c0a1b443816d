package warehouse

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/marcboeker/go-duckdb/v2"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// trialDB is an empty database with every table of the contract and the views over them.
func trialDB(t testing.TB) *sql.DB {
	t.Helper()
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	for _, table := range tables.All() {
		columns := []string{"scenario VARCHAR", "apply VARCHAR"}
		for _, c := range table.Columns {
			columns = append(columns, fmt.Sprintf("%q %s", c.Name, c.SQLType))
		}
		if _, err := db.Exec(fmt.Sprintf("create table %s (%s)", table.Name, strings.Join(columns, ", "))); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range Views() {
		if _, err := db.Exec(v.SQL); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// insert appends rows of the contract to their table, as apply "a" of scenario "s".
func insert[T any](t testing.TB, db *sql.DB, apply string, rows ...T) {
	t.Helper()
	table := tables.Of[T]()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(raw any) error {
		appender, err := duckdb.NewAppenderFromConn(raw.(driver.Conn), "", table.Name)
		if err != nil {
			return err
		}
		for _, row := range rows {
			values := []driver.Value{"s", apply}
			for _, c := range table.Columns {
				value := duckValue(reflect.ValueOf(row).Field(c.Field), c.ZeroIsNull)
				if text, ok := value.(string); ok && c.SQLType == "JSON" { // the appender takes values for JSON, not texts
					value = nil
					if err := json.Unmarshal([]byte(text), &value); err != nil {
						return err
					}
				}
				values = append(values, value)
			}
			if err := appender.AppendRow(values...); err != nil {
				return err
			}
		}
		return appender.Close()
	})
	if err != nil {
		t.Fatalf("inserting into %s: %v", table.Name, err)
	}
}

func duckValue(v reflect.Value, zeroIsNull bool) driver.Value {
	if _, ok := tables.NullOf(v.Type()); ok {
		if !v.Field(1).Bool() {
			return nil
		}
		v = v.Field(0)
	} else if zeroIsNull && v.IsZero() {
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int64:
		return v.Int()
	case reflect.Map:
		m := duckdb.Map{}
		for _, k := range v.MapKeys() {
			m[k.Interface()] = v.MapIndex(k).Interface()
		}
		return m
	}
	return v.Interface()
}

// epoch is when the trials of these tests begin.
var epoch = tables.Instant(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixNano())

const ms = tables.Instant(time.Millisecond)

// made is a trial as the tests make it: an even schedule, answered in a lognormal time.
type made struct {
	requests   int
	gap        time.Duration // from arrival to arrival
	ttft       time.Duration // median
	tokens     int
	tokenGap   time.Duration
	edit       func(i int, r *tables.Request)
	trialID    string
	noSchedule bool
}

func (m made) rows() ([]tables.Request, []tables.Arrival) {
	rng := rand.New(rand.NewPCG(11, 12))
	var requests []tables.Request
	var arrivals []tables.Arrival
	for i := range m.requests {
		intended := epoch + tables.Instant(i)*tables.Instant(m.gap)
		first := intended + tables.Instant(float64(m.ttft)*math.Exp(0.2*rng.NormFloat64()))
		r := tables.Request{
			TrialID: m.id(), Seq: int64(i), Final: true, Phase: tables.PhaseMeasure,
			IntendedAt: intended, DispatchedAt: intended + 100_000, WroteAt: intended + 200_000, HeadersAt: first - 1,
			FirstChunkAt: first, FirstTokenAt: first, FirstAnswerTokenAt: first,
			PromptTokens: tables.Some(int32(50)), OutputTokens: tables.Some(int32(m.tokens)), TokenSource: tables.TokensFromUsage,
			KernelTimestamps: true, HTTPStatus: 200, FinishReason: "length",
		}
		for k := range m.tokens {
			delta := int32(0)
			if k > 0 {
				delta = int32(m.tokenGap.Microseconds()) + rng.Int32N(100)
			}
			r.TokenDeltaUS = append(r.TokenDeltaUS, delta)
			first += tables.Instant(delta) * 1000
		}
		r.LastTokenAt, r.DoneAt = first, first+1000
		if m.edit != nil {
			m.edit(i, &r)
		}
		requests = append(requests, r)
		arrivals = append(arrivals, tables.Arrival{TrialID: m.id(), Seq: int64(i), IntendedAfterNS: int64(i) * int64(m.gap)})
	}
	return requests, arrivals
}

func (m made) id() string {
	if m.trialID == "" {
		return "r#1"
	}
	return m.trialID
}

// evidence is that of a trial which went as it should.
func (m made) evidence() Evidence {
	until := epoch + tables.Instant(m.requests)*tables.Instant(m.gap)
	return Evidence{
		Trial:    tables.Trial{TrialID: m.id(), Status: tables.StatusCompleted, MeasureFrom: epoch, MeasureUntil: until},
		Stages:   []tables.Stage{{TrialID: m.id(), Kind: "constant", FromAt: epoch, UntilAt: until}},
		OpenLoop: true,
	}
}

// steady is a trial with nothing to say against it.
var steady = made{requests: 600, gap: 50 * time.Millisecond, ttft: 200 * time.Millisecond, tokens: 20, tokenGap: 10 * time.Millisecond}
