//! The launcher in a Mac's menu bar. Everything here runs on the main thread; the launcher itself has a thread of its own.
//!
//! Nothing of this has run on a Mac yet: it is compiled, linked and inspected on Linux.
#![expect(unsafe_code, reason = "AppKit is Objective-C; each use says why it is sound")]

use std::cell::{Cell, OnceCell};
use std::process::ExitCode;
use std::sync::mpsc::Sender;

use dispatch2::DispatchQueue;
use objc2::rc::Retained;
use objc2::runtime::{AnyObject, NSObject, NSObjectProtocol, ProtocolObject, Sel};
use objc2::{DefinedClass, MainThreadMarker, MainThreadOnly, define_class, msg_send, sel};
use objc2_app_kit::{
    NSAlert, NSAppKitVersionNumber, NSApplication, NSApplicationActivationPolicy, NSApplicationDelegate,
    NSApplicationTerminateReply, NSMenu, NSMenuItem, NSStatusBar, NSStatusItem, NSVariableStatusItemLength,
};
use objc2_foundation::NSString;

use crate::browser;
use crate::launcher::Launcher;
use crate::machine::{Input, State};
use crate::signals;

/// The longest line in the menu, in characters; the whole reason is in the journal.
const LINE: usize = 80;

thread_local! {
    /// What the main thread shows, from [`run`] to its end.
    static DELEGATE: OnceCell<Retained<Delegate>> = const { OnceCell::new() };
}

/// Shows the launcher in the menu bar until it is told to end. It does not return when AppKit ends the process.
pub(crate) fn run(launcher: Launcher) -> ExitCode {
    let Some(main) = MainThreadMarker::new() else {
        eprintln!("error: menus belong to the main thread");
        return ExitCode::FAILURE;
    };
    let inputs = launcher.inputs();
    if let Err(error) = signals::watch(move || drop(inputs.send(Input::Quit))) {
        alert(&format!("watching for signals: {error}"));
        return ExitCode::FAILURE;
    }
    let app = application(main);
    let delegate = Delegate::new(main, &launcher);
    delegate.show(&State::Stopped);
    app.setDelegate(Some(ProtocolObject::from_ref(&*delegate)));
    DELEGATE.with(|cell| drop(cell.set(delegate)));
    std::thread::spawn(move || {
        launcher.run(&mut |state| {
            let state = state.clone();
            on_main_thread(move |delegate| delegate.show(&state));
        });
        on_main_thread(Delegate::over);
    });
    app.run();
    ExitCode::SUCCESS
}

/// The application, in the menu bar only and not in the Dock.
fn application(main: MainThreadMarker) -> Retained<NSApplication> {
    // Classes are found by their names at run time. Without a symbol of AppKit in use, a linker that strips unused libraries
    // leaves AppKit out, and there are no classes to find.
    std::hint::black_box(&raw const NSAppKitVersionNumber);
    let app = NSApplication::sharedApplication(main);
    app.setActivationPolicy(NSApplicationActivationPolicy::Accessory);
    app
}

/// Tells something in a window, and waits until it has been read.
pub(crate) fn alert(text: &str) {
    let Some(main) = MainThreadMarker::new() else { return };
    let _app = application(main);
    let alert = NSAlert::new(main);
    alert.setMessageText(&NSString::from_str("Helix cannot start"));
    alert.setInformativeText(&NSString::from_str(text));
    alert.runModal();
}

fn on_main_thread(action: impl FnOnce(&Delegate) + Send + 'static) {
    DispatchQueue::main().exec_async(move || {
        DELEGATE.with(|cell| cell.get().map(|delegate| action(delegate)));
    });
}

/// What the delegate keeps.
struct Ivars {
    inputs: Sender<Input>,
    logs: String,
    /// The port of the guest's API, while it is up.
    api: Cell<Option<u16>>,
    /// Whether AppKit waits for an answer to its question whether the app may end.
    asked: Cell<bool>,
    /// Whether the launcher has ended.
    over: Cell<bool>,
    menu: Menu,
}

/// The item in the menu bar, and what is in its menu.
struct Menu {
    item: Retained<NSStatusItem>,
    status: Retained<NSMenuItem>,
    browser: Retained<NSMenuItem>,
    start: Retained<NSMenuItem>,
    stop: Retained<NSMenuItem>,
    update: Retained<NSMenuItem>,
    logs: Retained<NSMenuItem>,
    quit: Retained<NSMenuItem>,
}

impl Menu {
    fn new(main: MainThreadMarker) -> Self {
        let menu = NSMenu::new(main);
        menu.setAutoenablesItems(false);
        let add = |title: &str, action: Option<Sel>| {
            // SAFETY: each action is a method of the delegate that takes one object and returns nothing.
            let item = unsafe {
                menu.addItemWithTitle_action_keyEquivalent(&NSString::from_str(title), action, &NSString::new())
            };
            item.setEnabled(action.is_some());
            item
        };
        let status = add("Helix", None);
        menu.addItem(&NSMenuItem::separatorItem(main));
        let item = NSStatusBar::systemStatusBar().statusItemWithLength(NSVariableStatusItemLength);
        if let Some(button) = item.button(main) {
            button.setTitle(&NSString::from_str("Helix"));
        }
        let this = Self {
            item,
            status,
            browser: add("Open Helix", Some(sel!(openHelix:))),
            start: add("Start", Some(sel!(startVm:))),
            stop: add("Stop", Some(sel!(stopVm:))),
            update: add("Take the App's Image, Keep the Data", Some(sel!(updateVm:))),
            logs: add("Show Logs", Some(sel!(showLogs:))),
            quit: add("Quit Helix", Some(sel!(quitHelix:))),
        };
        this.item.setMenu(Some(&menu));
        this
    }

    fn aim_at(&self, target: &AnyObject) {
        for item in [&self.browser, &self.start, &self.stop, &self.update, &self.logs, &self.quit] {
            // SAFETY: the target has the methods that the items name, and is kept until the process ends.
            unsafe { item.setTarget(Some(target)) };
        }
    }

    fn show(&self, state: &State) {
        self.status.setTitle(&NSString::from_str(&line(state)));
        self.browser.setEnabled(matches!(state, State::Ready { .. }));
        self.start.setEnabled(matches!(state, State::Stopped | State::Failed(_)));
        self.stop.setEnabled(!matches!(state, State::Stopped | State::Stopping));
        self.update.setHidden(!matches!(state, State::Ready { update: true, .. }));
    }
}

define_class!(
    // SAFETY: NSObject asks nothing of its subclasses, and this one has no Drop of its own.
    #[unsafe(super(NSObject))]
    #[thread_kind = MainThreadOnly]
    #[name = "HelixLauncherDelegate"]
    #[ivars = Ivars]
    struct Delegate;

    // SAFETY: it asks nothing more.
    unsafe impl NSObjectProtocol for Delegate {}

    // SAFETY: the methods have the signatures of AppKit's documentation.
    unsafe impl NSApplicationDelegate for Delegate {
        /// A second double-click on the app.
        #[unsafe(method(applicationShouldHandleReopen:hasVisibleWindows:))]
        fn reopened(&self, _app: &NSApplication, _windows: bool) -> bool {
            self.open();
            false
        }

        /// Quit, a log-out, a shutdown of the Mac: all wait until the VM is down.
        #[unsafe(method(applicationShouldTerminate:))]
        fn may_terminate(&self, _app: &NSApplication) -> NSApplicationTerminateReply {
            if self.ivars().over.get() {
                return NSApplicationTerminateReply::TerminateNow;
            }
            self.ivars().asked.set(true);
            self.send(Input::Quit);
            NSApplicationTerminateReply::TerminateLater
        }
    }

    impl Delegate {
        #[unsafe(method(openHelix:))]
        fn open_helix(&self, _sender: Option<&AnyObject>) {
            self.open();
        }

        #[unsafe(method(startVm:))]
        fn start_vm(&self, _sender: Option<&AnyObject>) {
            self.send(Input::Start);
        }

        #[unsafe(method(stopVm:))]
        fn stop_vm(&self, _sender: Option<&AnyObject>) {
            self.send(Input::Stop);
        }

        #[unsafe(method(updateVm:))]
        fn update_vm(&self, _sender: Option<&AnyObject>) {
            self.send(Input::Update);
        }

        #[unsafe(method(showLogs:))]
        fn show_logs(&self, _sender: Option<&AnyObject>) {
            browser::open(&self.ivars().logs);
        }

        #[unsafe(method(quitHelix:))]
        fn quit_helix(&self, _sender: Option<&AnyObject>) {
            NSApplication::sharedApplication(self.mtm()).terminate(None);
        }
    }
);

impl Delegate {
    fn new(main: MainThreadMarker, launcher: &Launcher) -> Retained<Self> {
        let this = Self::alloc(main).set_ivars(Ivars {
            inputs: launcher.inputs(),
            logs: launcher.logs().display().to_string(),
            api: Cell::new(None),
            asked: Cell::new(false),
            over: Cell::new(false),
            menu: Menu::new(main),
        });
        // SAFETY: NSObject's init takes nothing and returns the object.
        let this: Retained<Self> = unsafe { msg_send![super(this), init] };
        this.ivars().menu.aim_at(&this);
        this
    }

    fn send(&self, input: Input) {
        // A launcher that has ended wants nothing.
        let _ = self.ivars().inputs.send(input);
    }

    fn open(&self) {
        if let Some(port) = self.ivars().api.get() {
            browser::open(&browser::address(port));
        }
    }

    fn show(&self, state: &State) {
        self.ivars().api.set(if let State::Ready { api, .. } = state { Some(*api) } else { None });
        self.ivars().menu.show(state);
    }

    /// The launcher has ended: AppKit gets its answer, or is told to end by a signal.
    fn over(&self) {
        self.ivars().over.set(true);
        let app = NSApplication::sharedApplication(self.mtm());
        if self.ivars().asked.get() {
            app.replyToApplicationShouldTerminate(true);
        } else {
            app.terminate(None);
        }
    }
}

fn line(state: &State) -> String {
    let text = match state {
        State::Stopped => "Stopped".to_owned(),
        State::Preparing(what) => format!("Preparing: {what}"),
        State::Starting(what) => format!("Starting: {what}"),
        State::Ready { api, encoder_ended: true, .. } => {
            format!("Ready at {}, without the host encoder: see the logs", browser::address(*api))
        }
        State::Ready { api, .. } => format!("Ready at {}", browser::address(*api)),
        State::Paused(why) => format!("Paused until this Mac has space again: {why}"),
        State::Stopping => "Shutting down".to_owned(),
        State::Failed(reason) => format!("Failed: {reason}"),
    };
    text.lines().next().unwrap_or_default().chars().take(LINE).collect()
}
