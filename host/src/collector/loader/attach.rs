//! Attaches an object's programs to the kernel's hooks, one kind of hook a function, and takes them off again.

use aya::maps::ProgramArray;
use aya::programs::{BtfTracePoint, FEntry, FExit, Program, ProgramError, ProgramFd, TracePoint};

use super::super::hooks::{Attempt, Kind};
use super::{Kernel, LoadError, Object, attach_error, load_error, map_error};

impl Object {
    /// Loads a program and attaches it to a tracepoint whose arguments BTF types (`tp_btf`).
    ///
    /// # Errors
    ///
    /// When the kernel has no such tracepoint or refuses the program.
    pub fn attach_tracepoint(&mut self, kernel: &Kernel, program: &'static str, tracepoint: &str) -> Result<(), LoadError> {
        let result = self.program(program).and_then(|found: &mut BtfTracePoint| {
            found.load(tracepoint, &kernel.targets).map_err(load_error(program))?;
            found.attach().map(drop).map_err(attach_error(program))
        });
        self.note(program, Kind::TypedTracepoint, tracepoint, result)
    }

    /// Loads a program and attaches it to a tracepoint's perf event (`TRACEPOINT`): needs tracefs, and more rights than the others
    /// where `kernel.perf_event_paranoid` is above 2.
    ///
    /// # Errors
    ///
    /// When the kernel has no such tracepoint, refuses the program or its perf event.
    pub fn attach_perf_tracepoint(&mut self, program: &'static str, category: &str, name: &str) -> Result<(), LoadError> {
        let result = self.program(program).and_then(|found: &mut TracePoint| {
            found.load().map_err(load_error(program))?;
            found.attach(category, name).map(drop).map_err(attach_error(program))
        });
        self.note(program, Kind::PerfTracepoint, &format!("{category}/{name}"), result)
    }

    /// Loads a program and attaches it to the entry of a kernel function.
    ///
    /// # Errors
    ///
    /// When the kernel has no such function or refuses the program.
    pub fn attach_entry(&mut self, kernel: &Kernel, program: &'static str, function: &str) -> Result<(), LoadError> {
        let result = self.program(program).and_then(|found: &mut FEntry| {
            found.load(function, &kernel.targets).map_err(load_error(program))?;
            found.attach().map(drop).map_err(attach_error(program))
        });
        self.note(program, Kind::Entry, function, result)
    }

    /// Loads a program and attaches it to the return of a kernel function.
    ///
    /// # Errors
    ///
    /// When the kernel has no such function or refuses the program.
    pub fn attach_exit(&mut self, kernel: &Kernel, program: &'static str, function: &str) -> Result<(), LoadError> {
        let result = self.program(program).and_then(|found: &mut FExit| {
            found.load(function, &kernel.targets).map_err(load_error(program))?;
            found.attach().map(drop).map_err(attach_error(program))
        });
        self.note(program, Kind::Exit, function, result)
    }

    /// Keeps what came of a program.
    pub(super) fn note(
        &mut self,
        program: &'static str,
        kind: Kind,
        target: &str,
        result: Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let error = result.as_ref().err().map(ToString::to_string);
        self.journal.note(Attempt { object: self.name, kind, target: target.to_owned(), error });
        result.inspect(|()| self.attached.push(program))
    }

    /// Loads the program that another on the same tracepoint (`tp_btf`) goes on with.
    ///
    /// # Errors
    ///
    /// When the kernel has no such tracepoint or refuses the program.
    pub fn go_on_with(
        &mut self,
        kernel: &Kernel,
        map: &'static str,
        program: &'static str,
        tracepoint: &str,
    ) -> Result<(), LoadError> {
        let found: &mut BtfTracePoint = self.program(program)?;
        found.load(tracepoint, &kernel.targets).map_err(load_error(program))?;
        let fd = found.fd().and_then(|fd| fd.try_clone().map_err(ProgramError::IOError)).map_err(load_error(program))?;
        self.set_program(map, &fd)
    }

    /// The same for programs on perf events of tracepoints.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the program.
    pub fn go_on_with_perf(&mut self, map: &'static str, program: &'static str) -> Result<(), LoadError> {
        let found: &mut TracePoint = self.program(program)?;
        found.load().map_err(load_error(program))?;
        let fd = found.fd().and_then(|fd| fd.try_clone().map_err(ProgramError::IOError)).map_err(load_error(program))?;
        self.set_program(map, &fd)
    }

    fn set_program(&mut self, map: &'static str, program: &ProgramFd) -> Result<(), LoadError> {
        let found = self.ebpf.map_mut(map).ok_or(LoadError::Absent(map))?;
        let mut programs = ProgramArray::try_from(found).map_err(map_error(map))?;
        programs.set(0, program, 0).map_err(map_error(map))
    }

    /// Takes every program off its hook, as if something outside had; what they counted stays readable. For tests.
    pub fn detach(&mut self) {
        self.detach_those(|_| true);
    }

    /// The same for the programs that `which` picks.
    pub fn detach_those(&mut self, which: impl Fn(&str) -> bool) {
        let (taken, kept): (Vec<&'static str>, Vec<_>) =
            std::mem::take(&mut self.attached).into_iter().partition(|name| which(name));
        self.attached = kept;
        taken.into_iter().for_each(|name| self.unload(name));
    }

    /// Takes one program off its hook. Its misses are not counted from then on.
    pub fn detach_program(&mut self, program: &'static str) {
        self.attached.retain(|name| *name != program);
        self.unload(program);
    }

    fn unload(&mut self, name: &'static str) {
        let result = match self.ebpf.program_mut(name) {
            Some(Program::BtfTracePoint(program)) => program.unload(),
            Some(Program::RawTracePoint(program)) => program.unload(),
            Some(Program::TracePoint(program)) => program.unload(),
            Some(Program::FEntry(program)) => program.unload(),
            Some(Program::FExit(program)) => program.unload(),
            Some(Program::Iter(program)) => program.unload(),
            _ => Ok(()),
        };
        if let Err(error) = result {
            tracing::warn!(program = name, %error, "a program stays on its hook");
        }
    }
}
