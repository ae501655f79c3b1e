// Command judge plays the story of the shop and says whether faultline told it right: a healthy while, two
// deploys, a bug that comes with the second, and its end. It knows the truth; faultline is told nothing but
// what Collector, Alertmanager and the deploy tool send.
//
// It is configured by the environment: JUDGE_FAULTLINE (console), JUDGE_SHOP (control), JUDGE_HOOK (where the
// webhook sink posts to), JUDGE_HEALTHY_S; and JUDGE_RT, JUDGE_RT_TOKEN, JUDGE_RT_QUEUE when there is a Request
// Tracker.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// The truth.
const (
	guilty   = "payment"
	release  = "1.8.0"
	innocent = "catalog"
	decoy    = "3.2.0"
)

// Whoever waits for payment fails with it: their alerts belong to the incident.
var callers = []string{"checkout", "web"}

// How long each step of the story may take.
const (
	toOpen    = 180 * time.Second
	toMembers = 120 * time.Second
	toResolve = 420 * time.Second
)

func main() {
	if err := play(); err != nil {
		fmt.Fprintln(os.Stderr, "judge: WRONG:", err)
		os.Exit(1)
	}
}

func play() error {
	f := faultline{os.Getenv("JUDGE_FAULTLINE")}
	healthy, err := strconv.Atoi(os.Getenv("JUDGE_HEALTHY_S"))
	if err != nil {
		return fmt.Errorf("JUDGE_HEALTHY_S: %w", err)
	}
	told, err := listen(os.Getenv("JUDGE_HOOK"))
	if err != nil {
		return err
	}
	say("healthy for %d s", healthy)
	if err := quiet(f, time.Duration(healthy)*time.Second); err != nil {
		return err
	}
	say("%s %s is deployed: the decoy", innocent, decoy)
	if _, err := shop("deploy", innocent, decoy); err != nil {
		return err
	}
	if err := quiet(f, 30*time.Second); err != nil {
		return err
	}
	say("%s %s is deployed: the guilty one", guilty, release)
	change, err := shop("deploy", guilty, release)
	if err != nil {
		return err
	}
	if err := quiet(f, 20*time.Second); err != nil {
		return err
	}
	say("its bug strikes: connections are not given back")
	if _, err := shop("leak", guilty, "on"); err != nil {
		return err
	}
	began := time.Now()
	if err := patiently(toOpen, func() error { return isOpen(f) }); err != nil {
		return fmt.Errorf("no open incident %s after the fault: %w", since(began), err)
	}
	say("an incident is open after %s", since(began))
	if err := patiently(toMembers, func() error { return isRight(f, change, "open") }); err != nil {
		return fmt.Errorf("%s after the fault: %w", since(began), err)
	}
	say("cause, change and alerts are right after %s", since(began))
	// An answer that is right for a moment is none.
	time.Sleep(30 * time.Second)
	if err := isRight(f, change, "open"); err != nil {
		return fmt.Errorf("it was right and is no longer: %w", err)
	}
	say("the bug is switched off")
	if _, err := shop("leak", guilty, "off"); err != nil {
		return err
	}
	ended := time.Now()
	if err := patiently(toResolve, func() error { return isRight(f, change, "resolved") }); err != nil {
		return fmt.Errorf("%s after its end: %w", since(ended), err)
	}
	say("the incident is resolved after %s", since(ended))
	if err := patiently(60*time.Second, told.isWhole); err != nil {
		return fmt.Errorf("the webhook: %w", err)
	}
	say("the webhook heard of one incident, from opened to resolved")
	return tracker()
}

// quiet waits, and nothing may be told meanwhile.
func quiet(f faultline, while time.Duration) error {
	for until := time.Now().Add(while); time.Now().Before(until); time.Sleep(2 * time.Second) {
		found, err := f.incidents()
		if err != nil {
			return err
		}
		for _, one := range found {
			if one.State == "open" {
				return fmt.Errorf("a false incident while all is well: %s", one)
			}
		}
	}
	return nil
}

// isOpen says whether there is an open incident.
func isOpen(f faultline) error {
	found, err := f.incidents()
	if err != nil {
		return err
	}
	for _, one := range found {
		if one.State == "open" {
			return nil
		}
	}
	return fmt.Errorf("%d incidents: %v", len(found), found)
}

// isRight says whether the one incident is in a state and names the truth first.
func isRight(f faultline, change, state string) error {
	found, err := f.incidents()
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%d incidents instead of one: %v", len(found), found)
	}
	one := found[0]
	if one.State != state {
		return fmt.Errorf("not %s: %s", state, one)
	}
	if len(one.Hypotheses) == 0 || one.Hypotheses[0].Entity.Service != guilty {
		return fmt.Errorf("the first hypothesis is not %s: %s", guilty, one)
	}
	if named := one.Hypotheses[0].Change; named == nil || named.ID != change {
		return fmt.Errorf("the first hypothesis does not name the deploy %s: %s", change, one)
	}
	for _, service := range append([]string{guilty}, callers...) {
		if !one.hasAlertOf(service) {
			return fmt.Errorf("no alert of %s is a member: %s", service, one)
		}
	}
	for _, alert := range one.Alerts {
		if alert.Service == innocent {
			return fmt.Errorf("an alert of %s is a member: %s", innocent, one)
		}
	}
	return nil
}

// patiently tries until it holds or the time is up; the last refusal is the error.
func patiently(limit time.Duration, holds func() error) error {
	var err error
	for until := time.Now().Add(limit); time.Now().Before(until); time.Sleep(time.Second) {
		if err = holds(); err == nil {
			return nil
		}
	}
	return err
}

func since(then time.Time) time.Duration { return time.Since(then).Round(time.Second) }

func say(format string, args ...any) {
	fmt.Printf("judge: %s\n", fmt.Sprintf(format, args...))
}
