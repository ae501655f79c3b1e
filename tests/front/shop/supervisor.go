package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	cdevents "github.com/cdevents/sdk-go/pkg/api"
	"github.com/cdevents/sdk-go/pkg/api/v05"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"golang.org/x/sys/unix"
)

// The versions that the shop opens with.
var versions = map[string]string{
	"web": "5.2.0", "accounts": "1.4.1", "catalog": "3.1.4", "cart": "2.0.7",
	"checkout": "4.3.0", "payment": "1.7.3", "shipping": "2.2.2",
}

// supervisor keeps the processes of the shop and rolls out new versions of them.
type supervisor struct {
	mutex   sync.Mutex
	at      addresses
	running map[string]*exec.Cmd
}

// supervise starts all services and waits. SHOP_ADDRESSES says where each of them listens, SHOP_CONTROL where
// the supervisor does:
//
//	POST /deploy/{service}/{version}   rolls a version out, tells SHOP_CHANGES, answers with the event's id
//	POST /leak/{service}/{on|off}      switches the bug of a service on and off
//	POST /stop/{service}               ends a service until it is deployed again
func supervise(ctx context.Context) error {
	s := &supervisor{running: map[string]*exec.Cmd{}}
	if err := json.Unmarshal([]byte(env("SHOP_ADDRESSES")), &s.at); err != nil {
		return fmt.Errorf("SHOP_ADDRESSES: %w", err)
	}
	defer s.end()
	for service, version := range versions {
		if err := s.roll(ctx, service, version); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /deploy/{service}/{version}", func(w http.ResponseWriter, r *http.Request) {
		service, version := r.PathValue("service"), r.PathValue("version")
		id, err := s.deploy(ctx, service, version)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, id)
	})
	mux.HandleFunc("POST /leak/{service}/{state}", func(w http.ResponseWriter, r *http.Request) {
		to := "http://" + s.at[r.PathValue("service")] + "/leak/" + r.PathValue("state")
		if err := post(r.Context(), to); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST /stop/{service}", func(w http.ResponseWriter, r *http.Request) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		service := r.PathValue("service")
		if process := s.running[service]; process != nil {
			delete(s.running, service)
			_ = quit(process)
		}
	})
	server := &http.Server{Addr: env("SHOP_CONTROL"), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// deploy does what a deploy tool does: rolls a version out and tells of it, as a CDEvent. Returns the event's id.
func (s *supervisor) deploy(ctx context.Context, service, version string) (string, error) {
	if err := s.roll(ctx, service, version); err != nil {
		return "", err
	}
	event, err := v05.NewServiceUpgradedEvent()
	if err != nil {
		return "", err
	}
	event.SetSource("/ci/pipelines/" + service)
	event.SetSubjectId(service)
	event.SetSubjectSource("/ci/pipelines/" + service)
	event.SetSubjectEnvironment(&cdevents.Reference{Id: "production"})
	event.SetSubjectArtifactId(fmt.Sprintf("pkg:oci/%s@%s", service, version))
	envelope, err := cdevents.AsCloudEvent(event)
	if err != nil {
		return "", err
	}
	client, err := cloudevents.NewClientHTTP()
	if err != nil {
		return "", err
	}
	to := cloudevents.ContextWithTarget(ctx, env("SHOP_CHANGES"))
	if said := client.Send(to, *envelope); !cloudevents.IsACK(said) {
		return "", fmt.Errorf("the deploy was not taken: %w", said)
	}
	return event.GetId(), nil
}

// roll starts a version, waits until it answers, and only then ends the one before it: both listen on one
// address for a moment.
func (s *supervisor) roll(ctx context.Context, service, version string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	own, err := os.Executable()
	if err != nil {
		return err
	}
	next := exec.Command(own, "service", service)
	next.Stdout, next.Stderr = os.Stdout, os.Stderr
	next.Env = append(os.Environ(), "OTEL_SERVICE_NAME="+service,
		"OTEL_RESOURCE_ATTRIBUTES=service.version="+version+",deployment.environment.name=production")
	next.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := next.Start(); err != nil {
		return err
	}
	before := s.running[service]
	s.running[service] = next
	if before != nil {
		// Long enough for the new one to listen; the old one answers meanwhile.
		time.Sleep(2 * time.Second)
		return quit(before)
	}
	return awaken(ctx, "http://"+s.at[service]+"/healthz")
}

// end ends all services.
func (s *supervisor) end() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, process := range s.running {
		_ = quit(process)
	}
}

func quit(process *exec.Cmd) error {
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return process.Wait()
}

// awaken waits until an address answers.
func awaken(ctx context.Context, url string) error {
	for range 300 {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			return answer.Body.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer", url)
}

func post(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// listen listens on an address that another version of the service may listen on, too.
func listen(ctx context.Context, address string) (net.Listener, error) {
	shared := net.ListenConfig{Control: func(_, _ string, connection syscall.RawConn) error {
		var inner error
		err := connection.Control(func(fd uintptr) {
			inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		if err != nil {
			return err
		}
		return inner
	}}
	return shared.Listen(ctx, "tcp", address)
}
