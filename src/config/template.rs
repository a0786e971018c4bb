//! Templates of sinks (Jinja, by `minijinja`): checked when the configuration is read, by rendering a
//! sample of each kind of event.
//!
//! A template is given the CloudEvent as the sink's `phi` level allows: `id`, `type`, `time`, `data`, …,
//! and beside it `title`, `sentence` and `link`.

use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Value, json};
use std::path::Path;

/// A template that renders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The file that it is from; empty where it is built in or written in the configuration.
    pub file: std::path::PathBuf,
    source: String,
    html: bool,
}

impl Template {
    /// Reads a file and tries it; `.html` files have their values escaped.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let source = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read `{}`: {error}", file.display()))?;
        let template = Self {
            file: file.to_owned(),
            source,
            html: file.extension().is_some_and(|end| end == "html"),
        };
        template.tried()
    }

    /// A template written in the configuration.
    pub(super) fn inline(source: &str) -> Result<Self, String> {
        Self::built_in(source, false).tried()
    }

    fn built_in(source: &str, html: bool) -> Self {
        Self {
            file: std::path::PathBuf::new(),
            source: source.to_owned(),
            html,
        }
    }

    /// The subject of mails.
    pub(super) fn mail_subject() -> Self {
        Self::built_in("[Pentamer] {{ title }}", false)
    }

    /// Mails as text.
    pub(super) fn mail_text() -> Self {
        Self::built_in(include_str!("mail.txt"), false)
    }

    /// Mails as HTML.
    pub(super) fn mail_html() -> Self {
        Self::built_in(include_str!("mail.html"), true)
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders; what is not there is empty, a value of the wrong kind is an error that names the line.
    ///
    /// # Errors
    /// The template's fault, without any value of the event.
    pub fn render(&self, event: &Value) -> Result<String, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(1_000_000));
        let name = if self.html {
            "template.html"
        } else {
            "template.txt"
        };
        let fault = |error: minijinja::Error| {
            let line = error.line().map(|line| format!(", line {line}"));
            format!("{}{}", error.kind(), line.unwrap_or_default())
        };
        environment
            .add_template(name, &self.source)
            .map_err(|error| {
                format!("{error:#}")
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })?;
        let template = environment.get_template(name).map_err(fault)?;
        template.render(event).map_err(fault)
    }

    fn tried(self) -> Result<Self, String> {
        for event in samples() {
            self.render(&event)
                .map_err(|why| format!("the template does not render: {why}"))?;
        }
        Ok(self)
    }
}

/// An event of each shape that a sink may be given.
fn samples() -> Vec<Value> {
    let alert = json!({
        "id": "1", "type": "pentamer.alert.detected.v1", "source": "/pentamer/site/lab", "time": "2026-01-01T00:00:00Z",
        "subject": "2", "title": "t", "sentence": "s", "link": "l",
        "data": {"alert_id": "1", "episode_id": "2", "kind": "detected", "severity": "prompt",
            "classification": "isolated_low_igm", "tier": "complete", "tier_reason": null, "qualifiers": ["x"],
            "patient": {"id": "1", "authority": "H", "sex": "F", "age": "34 y"},
            "evidence": [{"analyte": "IgM", "state": "low", "value": "0.21", "unit": "g/L", "reported": "21 mg/dL",
                "low": "0.4", "high": "2.3", "flag": "L", "observed_at": "2026-01-01T00:00:00Z"}],
            "missing": [], "associations": [], "delivery": "page", "explanation": "…"}
    });
    let bare = json!({
        "id": "1", "type": "pentamer.alert.detected.v1", "title": "t", "sentence": "s", "link": "l",
        "data": {"alert_id": "1", "episode_id": "2", "kind": "detected", "severity": "prompt", "delivery": "page"}
    });
    let notice = json!({
        "id": "1", "type": "pentamer.notice.v1", "title": "t", "sentence": "s", "link": "",
        "data": {"kind": "disk_low", "state": "raised", "text": "…"}
    });
    let digest = json!({
        "id": "1", "type": "pentamer.digest.v1", "title": "t", "sentence": "s", "link": "",
        "data": {"kind": "digest", "severity": "prompt", "count": 1, "explanation": "…", "alerts": [bare["data"]]}
    });
    vec![alert, bare, notice, digest]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_render_every_event_and_escape_html() {
        for template in [
            Template::mail_subject(),
            Template::mail_text(),
            Template::mail_html(),
        ] {
            template.tried().expect("renders");
        }
        let event = json!({"title": "<b>&", "data": {}});
        let html = Template::mail_html().render(&event).expect("renders");
        assert!(
            html.contains("&lt;b&gt;&amp;") && !html.contains("<b>&"),
            "{html}"
        );
    }

    #[test]
    fn a_wrong_template_says_where() {
        let wrong = Template::inline("a\n{{ title").expect_err("not closed");
        assert!(
            wrong.contains("syntax error") && wrong.contains(":2"),
            "{wrong}"
        );
        let wrong = Template::inline("{% for x in title.foo() %}{% endfor %}");
        assert!(wrong.is_err());
        assert!(Template::inline("{{ data.patient.id }}").is_ok());
    }
}
