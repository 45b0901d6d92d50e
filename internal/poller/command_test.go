package poller

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

// collected is how a town of 200 runs, among so many times more of others that have ended, is asked about the ends of a
// quarter of them: the pages of the ended, by the command that they are of, and the calls about single runs. The runs are of
// so many commands in turn.
func collected(t *testing.T, commands, others int) (pages map[string]int, singles int) {
	t.Helper()
	c := newTown(t, Options{}, 0)
	c.settle(200, time.Second)
	c.together(func() {
		for n, run := range c.runs {
			run.command = fmt.Sprintf("c-ours-%d", n%commands)
			for other := range others {
				id := fmt.Sprintf("%s-%d", run.id, other)
				c.others = append(c.others, &townRun{id: id, status: cloudassistant.StatusSuccess, started: run.started})
			}
		}
	})
	c.watchAll(c.runs)
	c.pass(5 * time.Minute)
	c.together(func() { c.ends(0, 50) }) // by which lists prove right
	c.conclude(time.Minute)
	c.took()
	c.together(func() { c.ends(100, 150) })
	if known := c.conclude(time.Minute); known != 50 {
		t.Errorf("%d of 50 ends are known", known)
	}
	pages = map[string]int{}
	for _, asked := range c.took() {
		switch {
		case asked.query.InvokeID != "":
			singles++
		case asked.query.InvokeRecordStatus == cloudassistant.RecordFinished:
			pages[asked.query.CommandID]++
		}
	}
	return pages, singles
}

// Whoever is sought among the ended is looked for among the runs of its command alone, where it is that of all: others have
// run much else. Where it is not, the list of it would lack some.
func TestRunsOfOneCommandAreCollectedByIt(t *testing.T) {
	for commands, by := range map[int]string{1: "c-ours-0", 2: "", 200: ""} {
		synctest.Test(t, func(t *testing.T) {
			pages, _ := collected(t, commands, 5)
			if len(pages) != 1 || pages[by] == 0 {
				t.Errorf("of %d commands: pages of the ended by command are %v, want those of %q only", commands, pages, by)
			}
			// Hundred of ours have ended by then, on two pages. Among those of others they are on 22.
			if commands == 1 && pages[by] > 3 || commands > 1 && pages[by] < 10 {
				t.Errorf("of %d commands: %v pages of the ended, want 3 at most by command, and at least 10 without", commands, pages)
			}
		})
	}
}

// How much others have run is no reason to ask about the runs of one command one by one.
func TestRunsOfOneCommandAreCollectedByItAmongVeryMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages, singles := collected(t, 1, 25)
		if pages["c-ours-0"] == 0 || pages["c-ours-0"] > 3 || len(pages) != 1 || singles > 5 {
			t.Errorf("50 ends of one command took pages of the ended by command %v, and %d calls about single runs; want at most 3 by command, and 5", pages, singles)
		}
	})
}

// A command that everybody runs is looked through in vain but once in a while: its list is as long as that of all.
func TestACommandThatEverybodyRunsIsNotCollectedByForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, Options{}, 0)
		c.settle(200, time.Second)
		c.together(func() {
			for n, run := range c.runs {
				run.command = "c-common"
				for other := range 5 {
					id := fmt.Sprintf("%s-%d", run.id, other)
					started := run.started.Add(time.Duration(200+n) * time.Second)
					c.others = append(c.others, &townRun{id: id, status: cloudassistant.StatusSuccess, started: started, command: "c-common"})
				}
			}
		})
		c.watchAll(c.runs)
		c.pass(10 * time.Minute)
		byCommand := func(from, to int) (pages int) {
			c.took()
			c.together(func() { c.ends(from, to) })
			if known := c.conclude(time.Minute); known != to-from {
				t.Errorf("%d of %d ends are known", known, to-from)
			}
			for _, asked := range c.took() {
				if asked.query.CommandID != "" {
					pages++
				}
			}
			return pages
		}
		if pages := byCommand(0, 5); pages == 0 || pages > 3 {
			t.Errorf("%d pages by a command that everybody runs, want 3 at most, and one to find that out", pages)
		}
		if pages := byCommand(100, 105); pages > 0 {
			t.Errorf("%d pages more by a command that everybody runs, want none", pages)
		}
	})
}
