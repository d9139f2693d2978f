package worker

import (
	"os"
	"os/exec"
	"syscall"
)

// group is the process group of a worker: its shell and all that it starts, such as data loaders. It ends with this
// program, even when that is killed and can do nothing any more. The group's leader is a watch: it reads from a pipe
// of which only this program has the other end, so that its reading ends with this program, whatever the cause and
// whatever process namespaces lie between, and then kills the group. (PR_SET_PDEATHSIG would reach the shell alone.)
type group struct {
	watch *exec.Cmd
	alive *os.File // this program's end
}

const watchScript = `read -r _; kill -KILL 0 # ends a worker of lawa-replay with it`

// newGroup starts the watch.
func newGroup() (*group, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	watch := exec.Command("sh", "-c", watchScript)
	watch.Stdin = theirs
	watch.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := watch.Start(); err != nil {
		ours.Close()
		return nil, err
	}
	return &group{watch, ours}, nil
}

// join makes a command that has not started one of the group.
func (g *group) join(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: g.watch.Process.Pid}
}

// kill ends all of it. The watch is waited for last: as long as it is not, no other group can have its number.
func (g *group) kill() {
	_ = syscall.Kill(-g.watch.Process.Pid, syscall.SIGKILL)
	g.alive.Close()
	_ = g.watch.Wait() // it was killed
}
