package poller

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
)

const (
	modelQPS   = 20
	modelBurst = 5
	// patience is how much later than its schedule a question may be asked for want of tokens and of free
	// places in its lane, where calls take up to modelLatency.
	patience     = 15 * time.Second
	modelLatency = 2 * time.Second
)

// subject is a question as the model sees it.
type subject struct {
	identity cloudassistant.Identity
	invokeID string
}

// cloudState is what the API says about a subject.
type cloudState struct {
	version int64 // the rows tell of it
	class   cloudassistant.Class
	history cloudassistant.Class
	takes   time.Duration

	underWay int
	// asked is when it was last asked; quiet since when nothing has excused that it is not asked.
	asked time.Time
	quiet time.Time
}

// excuse says that it need not be asked until then.
func (c *cloudState) excuse(until time.Time) {
	c.quiet = later(c.quiet, until)
}

// wish is what an owner wants, as the model sees it, with the last that it was shown.
type wish struct {
	subject subject
	watch   Watch
	seen    view
	// at is when it last looked. Who is told in that instant may have seen it already.
	at time.Time
	// throttled says that it was shown a throttle answer, maybe of somebody else, when it last looked.
	throttled bool
}

func (w *wish) read(s Snapshot) {
	w.throttled = s.Failure != nil && s.Failure.Err.Class == cloudassistant.ClassThrottled
}

// view is what is news.
type view struct {
	live, history   string
	failure, hidden cloudassistant.Class
	// met and tried tell of the demand.
	met, tried bool
}

// model drives an engine at random and checks, at every call and after every step, what must always hold. All
// its methods run under the world's lock, or while nobody else runs.
type model struct {
	*world

	cloud  map[subject]*cloudState
	wishes map[Owner]*wish
	// throttle is until when each account is throttled; paused until when, by the answers given, calls must
	// rest.
	throttle map[string]time.Time
	paused   map[string]time.Time
	pausedAt map[string]time.Time
	called   map[string][]time.Time
	// lists is how lists of everything fail, if they do.
	lists  cloudassistant.Class
	faults []string
}

func accountOf(identity cloudassistant.Identity) string {
	if identity.RoleARN != "" {
		return "2"
	}
	return "1"
}

var (
	modelIdentities = []cloudassistant.Identity{alice, bob, {RoleARN: "acs:ram::2:role/reader"}}
	modelRuns       = []string{"t-1", "t-2", "t-3"}
	modelOwners     = []Owner{"a", "b", "c", "d", "e"}
	modelClasses    = []cloudassistant.Class{
		"", "", cloudassistant.ClassUnavailable, cloudassistant.ClassDenied, cloudassistant.ClassInvalid,
	}
)

func newModel(jitter func() float64) *model {
	m := &model{
		cloud: map[subject]*cloudState{}, wishes: map[Owner]*wish{},
		throttle: map[string]time.Time{}, paused: map[string]time.Time{},
		pausedAt: map[string]time.Time{}, called: map[string][]time.Time{},
	}
	m.world = idleWorld(Options{
		QPS: modelQPS, Burst: modelBurst, Jitter: jitter, Notify: m.notified,
	}, m.reply)
	m.accounts = map[cloudassistant.Identity]string{}
	for _, identity := range modelIdentities {
		m.accounts[identity] = accountOf(identity)
		for _, run := range modelRuns {
			m.cloud[subject{identity, run}] = &cloudState{}
		}
	}
	m.before = m.began
	m.after = m.ended
	return m
}

func (m *model) fault(format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf("%v: ", m.clock.Now().Format("15:04:05.000"))+fmt.Sprintf(format, args...))
}

// wanted says whether any owner wants an answer about s.
func (m *model) wanted(s subject) bool {
	for _, w := range m.wishes {
		if w.subject == s {
			return true
		}
	}
	return false
}

func (m *model) began(c call) {
	s := subject{c.identity, c.query.InvokeID}
	state, account := m.cloud[s], accountOf(c.identity)
	if c.query.InvokeID == "" {
		// A list of everything may go on for a page after the last who wanted something of it has left.
		state = &cloudState{}
	} else if !m.wanted(s) {
		m.fault("%v is asked although nobody wants it", s)
	}
	state.underWay++
	if state.underWay > 1 {
		m.fault("%v is asked twice at once", s)
	}
	// A call of the same instant may have had its ticket before the throttle answer was there.
	if c.at.Before(m.paused[account]) && c.at.After(m.pausedAt[account]) {
		m.fault("%v is asked while account %s is paused until %v", s, account, m.paused[account])
	}
	m.called[account] = append(m.called[account], c.at)
	calls := m.called[account]
	for n, at := range calls {
		if allowed := modelBurst + modelQPS*c.at.Sub(at).Seconds(); float64(len(calls)-n) > allowed+1e-6 {
			m.fault("%d calls of account %s in %v", len(calls)-n, account, c.at.Sub(at))
			break
		}
	}
	if !c.query.IncludeHistory {
		state.asked = c.at
	}
}

func (m *model) ended(c call) {
	if c.query.InvokeID != "" {
		m.cloud[subject{c.identity, c.query.InvokeID}].underWay--
	}
}

func (m *model) reply(c call) reply {
	if c.query.InvokeID == "" {
		return m.replyWithList(c)
	}
	s := subject{c.identity, c.query.InvokeID}
	state, account := m.cloud[s], accountOf(c.identity)
	r := reply{takes: state.takes}
	class := state.class
	if c.query.IncludeHistory {
		class = state.history
	}
	switch {
	case c.at.Before(m.throttle[account]):
		r.takes = 0
		r.err = &cloudassistant.Error{Class: cloudassistant.ClassThrottled, Code: "Throttling", RetryAfter: 3 * time.Second}
		m.paused[account], m.pausedAt[account] = c.at.Add(3*time.Second), c.at
	case class != "":
		r.err = failureOf(class)
	default:
		r.records = []cloudassistant.Record{state.row(s, c.at)}
	}
	return r
}

func (c *cloudState) row(s subject, at time.Time) cloudassistant.Record {
	return cloudassistant.Record{
		InvokeID: s.invokeID, InstanceID: "i-of-" + s.identity.Secret + s.identity.RoleARN, Repeats: c.version,
		InvocationStatus: cloudassistant.StatusRunning, Output: []byte(at.String()),
	}
}

// replyWithList lists what is healthy; all of it goes on. Who is listed counts as asked.
func (m *model) replyWithList(c call) (r reply) {
	account := accountOf(c.identity)
	switch {
	case c.at.Before(m.throttle[account]):
		m.paused[account], m.pausedAt[account] = c.at.Add(3*time.Second), c.at
		return reply{err: &cloudassistant.Error{Class: cloudassistant.ClassThrottled, Code: "Throttling", RetryAfter: 3 * time.Second}}
	case m.lists != "":
		return reply{err: failureOf(m.lists)}
	case c.query.InvokeRecordStatus != "" && c.query.InvokeRecordStatus != cloudassistant.RecordRunning:
		return reply{}
	}
	for _, run := range modelRuns {
		s := subject{c.identity, run}
		if state := m.cloud[s]; state.class == "" {
			r.records = append(r.records, state.row(s, c.at))
			state.asked = c.at
		}
	}
	return r
}

// view is what owner has been told by now, if nothing was kept from it.
func (m *model) view(owner Owner) view {
	p := m.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.interests[owner]
	if i == nil {
		return view{}
	}
	q := i.question
	v := view{met: !i.demand.IsZero() && !i.unmet(q.live), tried: i.demandFailed}
	if q.live != nil {
		v.live = fmt.Sprint(q.live.Records[0].Repeats, q.live.Records[0].InstanceID, q.live.Complete)
	}
	if q.failure != nil {
		v.failure = q.failure.Err.Class
	}
	if i.history && q.history != nil {
		v.history = fmt.Sprintf("%p", q.history) // two can be begun in one instant
	}
	if i.history && q.historyFailure != nil {
		v.hidden = q.historyFailure.Err.Class
	}
	return v
}

// notified checks that there is news.
func (m *model) notified(owner Owner, _ bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.view(owner)
	w := m.wishes[owner]
	if w == nil {
		return
	}
	if now == w.seen && !w.throttled && !w.at.Equal(m.clock.Now()) {
		m.fault("%s was notified without news: %+v", owner, now)
	}
	w.seen = now
	w.read(m.poller.Watch(owner, w.watch))
}

// check is what must hold whenever nothing goes on.
func (m *model) check() {
	now := m.clock.Now()
	for owner, w := range m.wishes {
		if v := m.view(owner); v != w.seen {
			m.fault("news kept from %s: %+v, not %+v", owner, v, w.seen)
		}
		s := m.poller.Watch(owner, w.watch)
		w.read(s)
		if s.Live != nil && s.Live.Records[0].InstanceID != "i-of-"+w.subject.identity.Secret+w.subject.identity.RoleARN {
			m.fault("%s was shown %s", owner, s.Live.Records[0].InstanceID)
		}
		state := m.cloud[w.subject]
		most := Options{}.withDefaults().boundsOf(w.watch).max + patience
		since := later(state.asked, state.quiet)
		healthy := state.class == "" && state.history == ""
		if healthy && now.Sub(since) > most {
			m.fault("%v was not asked for %v", w.subject, now.Sub(since))
		}
		demand := w.watch.AnswerFrom
		if healthy && now.Sub(later(demand, state.quiet)) > patience && (s.Live == nil || s.Live.StartedAt.Before(demand)) {
			m.fault("%s demanded an answer from %v on, and has none", owner, demand)
		}
	}
}

func (m *model) watch(t *rapid.T) {
	owner := rapid.SampledFrom(modelOwners).Draw(t, "owner")
	s := subject{rapid.SampledFrom(modelIdentities).Draw(t, "identity"), rapid.SampledFrom(modelRuns).Draw(t, "run")}
	watch := about(s.invokeID)
	watch.Identity = s.identity
	watch.History = rapid.Bool().Draw(t, "history")
	watch.MinInterval = time.Duration(rapid.IntRange(1, 10).Draw(t, "min")) * time.Second
	watch.MaxInterval = time.Duration(rapid.IntRange(1, 30).Draw(t, "max")) * time.Second
	if rapid.IntRange(0, 3).Draw(t, "demanding") == 0 {
		watch.AnswerFrom = m.clock.Now().Add(time.Duration(rapid.IntRange(-10, 10).Draw(t, "from")) * time.Second)
	}
	// Under the lock, for calls may come before the model knows that they are wanted.
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wishes[owner] = &wish{subject: s, watch: watch, at: m.clock.Now()}
	m.cloud[s].excuse(later(m.clock.Now(), watch.AnswerFrom))
	m.wishes[owner].read(m.poller.Watch(owner, watch))
	m.wishes[owner].seen = m.view(owner)
}

func (m *model) forget(t *rapid.T) {
	owner := rapid.SampledFrom(modelOwners).Draw(t, "owner")
	m.mu.Lock()
	defer m.mu.Unlock()
	m.poller.Forget(owner)
	delete(m.wishes, owner)
}

func (m *model) change(t *rapid.T) {
	state := m.cloud[subject{
		rapid.SampledFrom(modelIdentities).Draw(t, "identity"), rapid.SampledFrom(modelRuns).Draw(t, "run"),
	}]
	m.mu.Lock()
	defer m.mu.Unlock()
	if state.class != "" || state.history != "" {
		// It may be a long while until the engine tries again.
		state.excuse(m.clock.Now().Add(40 * time.Minute))
	}
	state.version += rapid.Int64Range(0, 1).Draw(t, "version")
	state.class = rapid.SampledFrom(modelClasses).Draw(t, "class")
	state.history = rapid.SampledFrom(modelClasses).Draw(t, "history class")
	m.lists = rapid.SampledFrom(modelClasses).Draw(t, "list class")
	state.takes = time.Duration(rapid.Int64Range(0, int64(modelLatency)).Draw(t, "takes"))
}

// nudge hints at what is or is not so, once or often.
func (m *model) nudge(t *rapid.T) {
	n := Nudge{
		AccountID:  rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "account"),
		RegionID:   region,
		InvokeID:   rapid.SampledFrom(append([]string{"", "t-4"}, modelRuns...)).Draw(t, "run"),
		InstanceID: rapid.SampledFrom([]string{"", "i-of-a/alice", "i-of-b/bob", "i-of-nobody"}).Draw(t, "instance"),
	}
	for range rapid.SampledFrom([]int{1, 2, 1000}).Draw(t, "times") {
		m.poller.Nudge(n)
	}
}

func (m *model) throttled(t *rapid.T) {
	account := rapid.SampledFrom([]string{"1", "2"}).Draw(t, "account")
	m.mu.Lock()
	defer m.mu.Unlock()
	until := m.clock.Now().Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "throttled")) * time.Second)
	m.throttle[account] = until
	for s, state := range m.cloud {
		if accountOf(s.identity) == account {
			// The pause, and the low rate after it, excuse everybody of the account.
			state.excuse(until.Add(time.Minute))
		}
	}
}

func (m *model) wait(t *rapid.T) {
	m.pass(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "passes")))
}

// TestInvariants lets owners come, go and change their minds, hints come that are true or not, the cloud change, fail, throttle and be slow, and
// time pass, and checks that
//   - a question is never asked twice at once, nor when nobody wants it,
//   - no call is made while its account is paused, nor more than the bucket allows,
//   - a healthy question is asked within its longest interval, and answered from when somebody demands it,
//   - owners are notified of all news, and of nothing else,
//   - nobody is shown what another identity may read.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bubble(t, func() {
			seed := rapid.Float64Range(0, 0.999).Draw(rt, "jitter")
			m := newModel(func() float64 { return seed })
			m.start()
			defer m.end()
			rt.Repeat(map[string]func(*rapid.T){
				"watch":    m.watch,
				"rewatch":  m.watch,
				"forget":   m.forget,
				"change":   m.change,
				"throttle": m.throttled,
				"nudge":    m.nudge,
				"pass":     m.wait,
				"": func(t *rapid.T) {
					synctest.Wait()
					m.check()
					if len(m.faults) > 0 {
						t.Fatalf("%s", m.faults[0])
					}
				},
			})
		})
	})
}

// bubble runs f in a synctest bubble and carries its panic, by which rapid reports, out of it.
func bubble(t *testing.T, f func()) {
	t.Helper()
	var recovered any
	synctest.Test(t, func(*testing.T) {
		defer func() { recovered = recover() }()
		f()
	})
	if recovered != nil {
		panic(recovered)
	}
}
