//! What `--help` prints. The settings come from their declarations, so none can be missing.

use crate::arguments::{DEFAULT_CONFIG_PATH, Program, Switch};
use crate::settings::{Log, Named, Section, named};
use crate::text::wrapped;

/// The whole help of a program whose section is `S`.
#[must_use]
pub fn text<S: Section>(program: &Program) -> String {
    let Program { name, version, summary, signals_and_exit_codes, .. } = program;
    let switches: String = program.switches.iter().map(switch).collect();
    let settings = settings::<S>(program.environment_prefix);
    format!(
        "\
{name} {version}: {summary}

Usage: {name} [OPTIONS]

Options:
  -c, --config PATH  Read the configuration from PATH [default: {DEFAULT_CONFIG_PATH}]
      --check        Check the configuration, print what takes effect, and exit
{switches}  -V, --version      Print the version and exit
  -h, --help         Print this help and exit

Settings. A flag wins over its environment variable, and the variable over the file:

{settings}

{signals_and_exit_codes}
"
    )
}

fn switch(switch: &Switch) -> String {
    let option = format!("--{}", switch.name);
    format!("      {option:<15}{}\n", switch.sentence)
}

fn settings<S: Section>(prefix: &str) -> String {
    let (mut own, mut log) = (S::default(), Log::default());
    named(prefix, &mut own, &mut log).iter().flat_map(setting).collect::<Vec<_>>().join("\n")
}

fn setting(named: &Named<'_>) -> Vec<String> {
    let Named { variable, flag, setting, .. } = named;
    let heading = format!("  --{flag} VALUE, {variable} [default: {}]", setting.text());
    let sentence = wrapped(setting.sentence(), "      ");
    let allowed = wrapped(&format!("Allowed: {}", setting.allowed()), "      ");
    [vec![heading], sentence, allowed].concat()
}
