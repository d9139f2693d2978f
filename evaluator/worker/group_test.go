package worker

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Started again with this set, the test program starts a worker, says so, and waits to be killed.
const parentOf = "LAWA_TEST_PARENT_OF"

func TestMain(m *testing.M) {
	if command := os.Getenv(parentOf); command != "" {
		w := &Worker{Command: command, Start: time.Minute, Limit: time.Minute}
		if _, err := w.Begin(context.Background()); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("started")
		_, _ = w.Evaluate(context.Background(), Request{Splits: []string{"val"}}) // no answer comes
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// busy is a worker that does not read its input any more, as one that computes, with a child and a grandchild that
// do not either. They write their process ids into files.
const busy = `echo $$ >shell.pid
sh -c 'echo $$ >child.pid; sh -c "echo \$\$ >grandchild.pid; exec sleep 1000"; true' </dev/null &
read hello
while [ ! -s grandchild.pid ]; do sleep 0.01; done
echo '{"type": "ready", "protocol": 1, "splits": ["val"]}'
wait
sleep 1000`

var members = []string{"shell", "child", "grandchild"}

// pids are those of the files, once they are written.
func pids(t *testing.T, dir string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, name := range members {
		text, err := os.ReadFile(filepath.Join(dir, name+".pid"))
		if err != nil {
			t.Fatal(err)
		}
		if out[name], err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// lives says whether a process is there and no zombie.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func mustBeGone(t *testing.T, which map[string]int) {
	t.Helper()
	for name, pid := range which {
		for end := time.Now().Add(5 * time.Second); lives(pid); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("the %s lives on", name)
				_ = syscall.Kill(pid, syscall.SIGKILL)
				break
			}
		}
	}
}

// TestKilledParent: after SIGKILL of the program nothing of a worker lives on, not even what does not read.
func TestKilledParent(t *testing.T) {
	for range 4 {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Dir, cmd.Env = dir, append(os.Environ(), parentOf+"="+busy)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "started\n" {
			t.Fatalf("%q, %v", line, err)
		}
		all := pids(t, dir)
		for name, pid := range all {
			if !lives(pid) {
				t.Fatalf("the %s does not live", name)
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		mustBeGone(t, all)
	}
}

// TestKilledWhileStarting: nor where the program is killed before the worker is ready.
func TestKilledWhileStarting(t *testing.T) {
	for i := range 8 {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Dir, cmd.Env = dir, append(os.Environ(), parentOf+"=echo $$ >shell.pid; sleep 1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i*i) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		time.Sleep(50 * time.Millisecond)
		if text, err := os.ReadFile(filepath.Join(dir, "shell.pid")); err == nil {
			pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
			mustBeGone(t, map[string]int{"shell": pid})
		}
	}
}

// TestStopEndsAll: nor after an orderly end, a time limit, or a failure to get ready.
func TestStopEndsAll(t *testing.T) {
	dir := t.TempDir()
	w := &Worker{Command: "cd " + dir + "\n" + busy, Start: time.Minute, Limit: 100 * time.Millisecond}
	if _, err := w.Begin(context.Background()); err != nil {
		t.Fatal(err)
	}
	all := pids(t, dir)
	if _, err := w.Evaluate(context.Background(), Request{Splits: []string{"val"}}); err == nil || !strings.Contains(err.Error(), "no answer within 100ms") {
		t.Errorf("%v", err)
	}
	mustBeGone(t, all)
}
