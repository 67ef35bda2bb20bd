//! The state machine: what is shown, what is done next. No clock, no thread, no file.

/// What people see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The VM does not run.
    Stopped,
    /// Its files are being made; with what is under way, in words.
    Preparing(String),
    /// The guest is on its way up; with how far it is, in words.
    Starting(String),
    /// The guest is up.
    Ready {
        /// The port on 127.0.0.1 that leads to the guest's API.
        api: u16,
        /// Whether the app has another image than the one that the VM was made from.
        update: bool,
        /// Whether the host encoder has ended, and will not be started again.
        encoder_ended: bool,
    },
    /// QEMU has stopped the guest, with the reason; it is let go on every few seconds.
    Paused(String),
    /// The guest is on its way down.
    Stopping,
    /// It does not run as it should, with the reason.
    Failed(String),
}

/// What comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Somebody wants the VM up.
    Start,
    /// Somebody wants it down.
    Stop,
    /// Somebody wants the app's image as its system disk.
    Update,
    /// Somebody wants the launcher to end, and so the VM.
    Quit,
    /// Time has passed.
    Tick,
    /// A job has got on or ended.
    Report(Report),
}

/// What a job tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Files are being made.
    Preparing(String),
    /// The guest is on its way.
    Starting(String),
    /// [`Job::Up`] or [`Job::Update`] has ended well.
    Up {
        /// As in [`State::Ready`].
        api: u16,
        /// As in [`State::Ready`].
        update: bool,
        /// Whether the host encoder has ended.
        encoder_ended: bool,
    },
    /// [`Job::Down`] has ended well.
    Down,
    /// [`Job::Look`] has ended.
    Seen {
        /// The VM.
        vm: Seen,
        /// Whether the host encoder has ended.
        encoder_ended: bool,
    },
    /// The job was interrupted, as it was asked to be.
    Interrupted,
    /// The job has failed, for this reason.
    Failed(String),
}

/// A VM at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// As it should be, or another command works on it.
    Fine,
    /// Its QEMU has ended.
    Ended,
    /// Its guest is stopped, with the reason.
    Paused(String),
    /// Nobody waits for its guest.
    Unattended,
}

/// Something that takes time. One is under way at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Makes and starts the VM.
    Up,
    /// Ends it.
    Down,
    /// Ends it, takes the app's image as its system disk, and starts it.
    Update,
    /// Looks at it.
    Look,
}

/// What is to be done after an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The job to begin.
    pub job: Option<Job>,
    /// Whether the job under way is to be interrupted.
    pub interrupt: bool,
    /// Whether the guest has just come up, and people should see it.
    pub open: bool,
}

/// How often a host encoder that ended is started again before it was seen to run.
const ENCODER_TRIES: u32 = 3;

/// The launcher's mind.
#[derive(Debug)]
pub struct Machine {
    state: State,
    /// The job under way.
    job: Option<Job>,
    /// The job that comes after it.
    next: Option<Job>,
    quit: bool,
    over: bool,
    encoder_tries: u32,
}

impl Default for Machine {
    fn default() -> Self {
        let state = State::Stopped;
        Self { state, job: None, next: None, quit: false, over: false, encoder_tries: 0 }
    }
}

impl Machine {
    /// What is shown.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether the launcher is to end now.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input) -> Step {
        match input {
            Input::Start => self.start(),
            Input::Update => self.update(),
            Input::Stop => self.stop(),
            Input::Quit => {
                self.quit = true;
                self.stop()
            }
            Input::Tick => self.tick(),
            Input::Report(report) => self.report(report),
        }
    }

    fn start(&mut self) -> Step {
        let idle = self.job.is_none() && !self.quit;
        if !idle || !matches!(self.state, State::Stopped | State::Failed(_)) {
            return Step::default();
        }
        self.state = State::Preparing("looking at the VM".to_owned());
        self.begin(Job::Up)
    }

    /// Only somebody who was told of another image can want it.
    fn update(&mut self) -> Step {
        if self.quit || !matches!(self.state, State::Ready { update: true, .. }) {
            return Step::default();
        }
        self.state = State::Preparing("taking the app's image".to_owned());
        self.begin_or_wait(Job::Update)
    }

    fn stop(&mut self) -> Step {
        match (self.job, &self.state) {
            (None, State::Stopped) => {
                self.over = self.quit;
                Step::default()
            }
            (Some(Job::Down), _) => Step::default(),
            (job, _) => {
                self.state = State::Stopping;
                let step = self.begin_or_wait(Job::Down);
                Step { interrupt: job.is_some(), ..step }
            }
        }
    }

    fn tick(&mut self) -> Step {
        match (self.job, &self.state) {
            (None, State::Ready { .. }) => self.begin(Job::Look),
            (None, State::Paused(_)) => self.begin(Job::Up),
            _ => Step::default(),
        }
    }

    fn begin(&mut self, job: Job) -> Step {
        self.job = Some(job);
        Step { job: Some(job), ..Step::default() }
    }

    fn begin_or_wait(&mut self, job: Job) -> Step {
        if self.job.is_none() {
            return self.begin(job);
        }
        self.next = Some(job);
        Step::default()
    }

    fn report(&mut self, report: Report) -> Step {
        match report {
            Report::Preparing(what) => self.show(State::Preparing(what)),
            Report::Starting(what) => self.show(State::Starting(what)),
            Report::Up { api, update, encoder_ended } => self.ended(State::Ready { api, update, encoder_ended }),
            Report::Down | Report::Interrupted => self.ended(State::Stopped),
            Report::Failed(reason) => self.ended(State::Failed(reason)),
            Report::Seen { vm, encoder_ended } => self.seen(vm, encoder_ended),
        }
    }

    /// What a job tells on its way; a VM that is to end, is paused, or is up while it is mended, stays that.
    fn show(&mut self, state: State) -> Step {
        if !matches!(self.state, State::Stopping | State::Paused(_) | State::Ready { .. }) {
            self.state = state;
        }
        Step::default()
    }

    /// A job has ended and left the VM so.
    fn ended(&mut self, state: State) -> Step {
        let ended = self.job.take();
        if let Some(next) = self.next.take() {
            return self.begin(next);
        }
        let was_up = matches!(self.state, State::Ready { .. } | State::Paused(_));
        let open = matches!(state, State::Ready { .. }) && !was_up;
        self.state = state;
        if self.quit {
            debug_assert_eq!(ended, Some(Job::Down), "before it ends the VM is down");
            self.over = true;
        }
        Step { open, ..Step::default() }
    }

    fn seen(&mut self, vm: Seen, encoder_ended: bool) -> Step {
        self.job = None;
        if let Some(next) = self.next.take() {
            return self.begin(next);
        }
        match vm {
            Seen::Ended => {
                self.state = State::Failed("the guest has powered off, or QEMU was killed".to_owned());
                Step::default()
            }
            Seen::Paused(why) => {
                self.state = State::Paused(why);
                Step::default()
            }
            Seen::Unattended => self.begin(Job::Up),
            Seen::Fine if encoder_ended && self.encoder_tries < ENCODER_TRIES => {
                self.encoder_tries += 1;
                self.begin(Job::Up)
            }
            Seen::Fine => {
                if !encoder_ended {
                    self.encoder_tries = 0;
                }
                if let State::Ready { encoder_ended: shown, .. } = &mut self.state {
                    *shown = encoder_ended;
                }
                Step::default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Report = Report::Up { api: 8080, update: false, encoder_ended: false };
    const READY: State = State::Ready { api: 8080, update: false, encoder_ended: false };

    fn seen(vm: Seen, encoder_ended: bool) -> Input {
        Input::Report(Report::Seen { vm, encoder_ended })
    }

    fn job(machine: &mut Machine, input: Input) -> Option<Job> {
        machine.handle(input).job
    }

    fn ready() -> Machine {
        let mut machine = Machine::default();
        assert_eq!(job(&mut machine, Input::Start), Some(Job::Up));
        let step = machine.handle(Input::Report(UP));
        assert_eq!((step, machine.state()), (Step { open: true, ..Step::default() }, &READY));
        machine
    }

    #[test]
    fn a_start_shows_its_progress_and_opens_the_guest_once() {
        let mut machine = Machine::default();
        assert_eq!(job(&mut machine, Input::Start), Some(Job::Up));
        assert_eq!(machine.handle(Input::Start), Step::default(), "one job at a time");
        machine.handle(Input::Report(Report::Preparing("copying".into())));
        assert_eq!(machine.state(), &State::Preparing("copying".into()));
        machine.handle(Input::Report(Report::Starting("kernel".into())));
        assert_eq!(machine.state(), &State::Starting("kernel".into()));
        assert!(machine.handle(Input::Report(UP)).open);
        assert_eq!(machine.handle(Input::Tick).job, Some(Job::Look));
        assert_eq!(machine.handle(seen(Seen::Fine, true)).job, Some(Job::Up));
        machine.handle(Input::Report(Report::Starting("the encoder does not start".into())));
        assert_eq!(machine.state(), &READY);
        assert!(!machine.handle(Input::Report(UP)).open, "a mended encoder is no news");
    }

    #[test]
    fn quitting_ends_the_vm_from_every_state_and_then_the_launcher() {
        let mut stopped = Machine::default();
        assert_eq!(stopped.handle(Input::Quit), Step::default());
        assert!(stopped.is_over());

        let mut starting = Machine::default();
        starting.handle(Input::Start);
        let step = starting.handle(Input::Quit);
        assert_eq!((step.job, step.interrupt, starting.state()), (None, true, &State::Stopping));
        starting.handle(Input::Report(Report::Starting("late words".into())));
        assert_eq!(starting.state(), &State::Stopping);
        assert_eq!(job(&mut starting, Input::Report(Report::Interrupted)), Some(Job::Down));

        let mut up = ready();
        assert_eq!(job(&mut up, Input::Quit), Some(Job::Down));

        let mut looking = ready();
        looking.handle(Input::Tick);
        assert_eq!(job(&mut looking, Input::Quit), None);
        assert_eq!(job(&mut looking, seen(Seen::Ended, false)), Some(Job::Down));

        let mut failed = Machine::default();
        failed.handle(Input::Start);
        failed.handle(Input::Report(Report::Failed("why".into())));
        assert_eq!(job(&mut failed, Input::Quit), Some(Job::Down), "QEMU may have been left to be looked at");

        for mut machine in [starting, up, looking, failed] {
            assert!(!machine.is_over() && machine.handle(Input::Start) == Step::default());
            assert_eq!(machine.handle(Input::Quit), Step::default(), "it is on its way down");
            machine.handle(Input::Report(Report::Down));
            assert!(machine.is_over() && machine.state() == &State::Stopped);
        }
    }

    #[test]
    fn a_quit_whose_shutdown_fails_ends_all_the_same_and_keeps_the_reason() {
        let mut machine = ready();
        machine.handle(Input::Quit);
        machine.handle(Input::Report(Report::Failed("why".into())));
        assert!(machine.is_over());
        assert_eq!(machine.state(), &State::Failed("why".into()));
    }

    #[test]
    fn a_quit_while_it_stops_waits_for_the_end() {
        let mut machine = ready();
        assert_eq!(job(&mut machine, Input::Stop), Some(Job::Down));
        assert_eq!(machine.handle(Input::Quit), Step::default());
        assert!(!machine.is_over());
        machine.handle(Input::Report(Report::Down));
        assert!(machine.is_over());
    }

    #[test]
    fn a_vm_that_ended_or_failed_can_be_started_again() {
        let mut machine = ready();
        machine.handle(Input::Tick);
        machine.handle(seen(Seen::Ended, false));
        assert!(matches!(machine.state(), State::Failed(_)));
        assert_eq!(job(&mut machine, Input::Tick), None);
        assert_eq!(job(&mut machine, Input::Start), Some(Job::Up));
        machine.handle(Input::Report(Report::Failed("no space".into())));
        assert_eq!(job(&mut machine, Input::Start), Some(Job::Up));
    }

    #[test]
    fn a_paused_guest_is_let_go_on_at_each_tick() {
        let mut machine = ready();
        machine.handle(Input::Tick);
        machine.handle(seen(Seen::Paused("io-error".into()), false));
        for _ in 0..2 {
            assert_eq!(machine.state(), &State::Paused("io-error".into()));
            assert_eq!(job(&mut machine, Input::Tick), Some(Job::Up));
            machine.handle(Input::Report(Report::Starting("it is up".into())));
            assert_eq!(machine.state(), &State::Paused("io-error".into()));
            assert!(!machine.handle(Input::Report(UP)).open);
            machine.handle(Input::Tick);
            machine.handle(seen(Seen::Paused("io-error".into()), false));
        }
    }

    #[test]
    fn an_encoder_that_ends_again_and_again_is_given_up_until_it_runs() {
        let mut machine = ready();
        let mut starts = 0;
        for _ in 0..10 {
            machine.handle(Input::Tick);
            if job(&mut machine, seen(Seen::Fine, true)) == Some(Job::Up) {
                starts += 1;
                machine.handle(Input::Report(UP));
            }
        }
        assert_eq!(starts, ENCODER_TRIES);
        assert_eq!(machine.state(), &State::Ready { api: 8080, update: false, encoder_ended: true });
        machine.handle(Input::Tick);
        machine.handle(seen(Seen::Fine, false));
        assert_eq!(machine.state(), &READY);
        machine.handle(Input::Tick);
        assert_eq!(job(&mut machine, seen(Seen::Fine, true)), Some(Job::Up));
    }

    #[test]
    fn an_update_is_only_done_when_there_is_one_and_somebody_wants_it() {
        let mut machine = ready();
        assert_eq!(machine.handle(Input::Update), Step::default());
        let mut machine = Machine::default();
        machine.handle(Input::Start);
        machine.handle(Input::Report(Report::Up { api: 8080, update: true, encoder_ended: false }));
        machine.handle(Input::Tick);
        assert_eq!(job(&mut machine, Input::Update), None, "a look is under way");
        assert_eq!(job(&mut machine, seen(Seen::Fine, false)), Some(Job::Update));
        assert!(machine.handle(Input::Report(UP)).open);
        assert_eq!(machine.state(), &READY);
    }

    /// Whatever comes in whatever order: one job at a time, and a quit that is answered ends it.
    #[test]
    fn no_order_of_inputs_begins_two_jobs_or_forgets_a_quit() {
        let inputs = [Input::Start, Input::Stop, Input::Update, Input::Tick, Input::Quit];
        for length in 0..6_u32 {
            for code in 0..10_usize.pow(length) {
                let mut machine = Machine::default();
                let (mut under_way, mut quit) = (None, false);
                for place in 0..length {
                    let choice = code / 10_usize.pow(place) % 10;
                    let input = match (choice, under_way) {
                        (0..5, _) => inputs[choice].clone(),
                        (_, None) => continue,
                        (_, Some(job)) => Input::Report(answer(job, choice)),
                    };
                    quit |= input == Input::Quit;
                    let ends = matches!(input, Input::Report(_));
                    let step = machine.handle(input);
                    under_way = if ends { None } else { under_way };
                    assert!(step.job.is_none() || under_way.is_none(), "{code} of {length}");
                    under_way = step.job.or(under_way);
                }
                if quit {
                    for _ in 0..3 {
                        let Some(job) = under_way else { break };
                        under_way = machine.handle(Input::Report(answer(job, 9))).job;
                    }
                    assert!(machine.is_over(), "{code} of {length}");
                }
            }
        }
    }

    fn answer(job: Job, choice: usize) -> Report {
        match (job, choice) {
            (Job::Look, 5) => Report::Seen { vm: Seen::Ended, encoder_ended: false },
            (Job::Look, 6) => Report::Seen { vm: Seen::Paused("p".into()), encoder_ended: false },
            (Job::Look, 7) => Report::Seen { vm: Seen::Unattended, encoder_ended: true },
            (Job::Look, _) => Report::Seen { vm: Seen::Fine, encoder_ended: true },
            (_, 5) => Report::Failed("f".into()),
            (Job::Down, _) => Report::Down,
            (_, 6) => Report::Interrupted,
            (_, 7) => Report::Up { api: 1, update: true, encoder_ended: true },
            _ => UP,
        }
    }
}
