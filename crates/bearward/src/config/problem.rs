//! What is wrong with a configuration, all of it at once, each with its place and what to write instead.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

use super::tree::Place;

/// One thing that is wrong, or only worth saying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    message: String,
    label: String,
    help: String,
    at: Place,
    is_warning: bool,
    source: Option<NamedSource<String>>,
}

/// Everything that is wrong with one configuration.
#[derive(Debug)]
pub struct ConfigErrors {
    name: String,
    problems: Vec<Problem>,
}

impl Problem {
    pub(crate) fn error(
        at: &Place,
        message: impl Into<String>,
        label: &str,
        help: impl Into<String>,
    ) -> Self {
        Self {
            message: message.into(),
            label: label.into(),
            help: help.into(),
            at: at.clone(),
            is_warning: false,
            source: None,
        }
    }

    pub(crate) fn warning(
        at: &Place,
        message: impl Into<String>,
        label: &str,
        help: impl Into<String>,
    ) -> Self {
        Self { is_warning: true, ..Self::error(at, message, label, help) }
    }

    pub(crate) fn is_warning(&self) -> bool {
        self.is_warning
    }

    /// Orders problems as a reader meets them: down the file, then the environment.
    pub(crate) fn order(&self) -> (usize, &str) {
        match &self.at {
            Place::File { offset, .. } => (*offset, ""),
            Place::Env(name) => (usize::MAX, name),
        }
    }

    pub(crate) fn in_file(mut self, name: &str, text: &str) -> Self {
        self.source = Some(NamedSource::new(name, text.to_owned()).with_language("YAML"));
        self
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write instead.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// Line and column, from 1; `None` for a value that came from the environment.
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        let Place::File { offset, .. } = self.at else { return None };
        let text = self.source.as_ref()?.inner().get(..offset)?;
        let line_start = text.rfind('\n').map_or(0, |at| at + 1);
        Some((text.matches('\n').count() + 1, text.get(line_start..)?.chars().count() + 1))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Place::File { .. } => f.write_str(&self.message),
            Place::Env(name) => write!(f, "{} (from environment variable `{name}`)", self.message),
        }
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<Severity> {
        Some(if self.is_warning { Severity::Warning } else { Severity::Error })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let source = self.source.as_ref().filter(|_| matches!(self.at, Place::File { .. }))?;
        Some(source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Place::File { offset, len } = self.at else { return None };
        Some(Box::new(std::iter::once(LabeledSpan::new(Some(self.label.clone()), offset, len.max(1)))))
    }
}

impl ConfigErrors {
    pub(crate) fn new(name: &str, problems: Vec<Problem>) -> Self {
        Self { name: name.into(), problems }
    }

    /// Each of them.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "{} has an error", self.name),
            count => write!(f, "{} has {count} errors", self.name),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl Diagnostic for ConfigErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}
