package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// faultline is the address of its API.
type faultline struct{ at string }

// incident is what the judge needs of docs/incident.schema.json.
type incident struct {
	ID         string `json:"id"`
	State      string `json:"state"`
	Title      string `json:"title"`
	Revision   int    `json:"revision"`
	Hypotheses []struct {
		Entity struct {
			Service string `json:"service"`
		} `json:"entity"`
		Kind   string `json:"kind"`
		Change *struct {
			ID string `json:"id"`
		} `json:"change"`
		Probability float64 `json:"probability"`
	} `json:"hypotheses"`
	Alerts []struct {
		Name    string `json:"name"`
		Service string `json:"service"`
		Status  string `json:"status"`
	} `json:"alerts"`
}

// incidents are all that were not taken back or made part of another.
func (f faultline) incidents() ([]incident, error) {
	var list struct {
		Incidents []struct {
			ID    string `json:"id"`
			State string `json:"state"`
		} `json:"incidents"`
	}
	if err := get(f.at+"/api/v1/incidents", "", &list); err != nil {
		return nil, err
	}
	var found []incident
	for _, row := range list.Incidents {
		if row.State == "withdrawn" || row.State == "merged" || row.State == "suspected" {
			continue
		}
		var whole incident
		if err := get(f.at+"/api/v1/incidents/"+row.ID, "", &whole); err != nil {
			return nil, err
		}
		found = append(found, whole)
	}
	return found, nil
}

func (i incident) hasAlertOf(service string) bool {
	for _, alert := range i.Alerts {
		if alert.Service == service {
			return true
		}
	}
	return false
}

// String is the incident in one line.
func (i incident) String() string {
	var line strings.Builder
	fmt.Fprintf(&line, "%s revision %d %s %q;", i.ID, i.Revision, i.State, i.Title)
	for _, hypothesis := range i.Hypotheses {
		change := "-"
		if hypothesis.Change != nil {
			change = hypothesis.Change.ID
		}
		fmt.Fprintf(&line, " %s/%s/%s %.2f;", hypothesis.Entity.Service, hypothesis.Kind, change,
			hypothesis.Probability)
	}
	for _, alert := range i.Alerts {
		fmt.Fprintf(&line, " %s(%s) %s,", alert.Name, alert.Service, alert.Status)
	}
	return line.String()
}

// shop tells the shop's supervisor to do something and returns its answer.
func shop(command, service, argument string) (string, error) {
	url := fmt.Sprintf("%s/%s/%s/%s", os.Getenv("JUDGE_SHOP"), command, service, argument)
	answer, err := http.Post(url, "", nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", url, body)
	}
	return strings.TrimSpace(string(body)), nil
}

// get reads JSON; authorization may be empty.
func get(url, authorization string, into any) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
