//! A browser without a screen: Debian's Chromium, driven by its WebDriver (W3C). It knows no address but loopback, and it
//! and all its processes end with the process namespace that they live in.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::wire::Http;

/// How long something may take to appear on the page.
const PATIENCE: Duration = Duration::from_secs(60);
/// The name of an element's reference (W3C WebDriver, 12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _home: TempDir,
}

impl Browser {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        // It ends with the test, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["chromedriver", "--port=0"]);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        command.env("HOME", home.path()).env("TMPDIR", home.path()).env("LANG", "C.UTF-8").env("TZ", "UTC");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().expect("unshare, of util-linux");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let port = port.expect("chromedriver: run scripts/setup");
        let mut browser = Self { driver, port, session: String::new(), _home: home };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            &format!("--user-data-dir={}", browser._home.path().join("profile").display()),
        ];
        let options =
            json!({"args": arguments, "prefs": {"download.default_directory": browser._home.path()}});
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}});
        let session = browser.ask("POST", "/session", &wanted);
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    /// The directory into which it downloads.
    pub fn downloads(&self) -> &std::path::Path {
        self._home.path()
    }

    fn try_ask(&self, verb: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let mut http = Http::over(TcpStream::connect(("127.0.0.1", self.port)).unwrap());
        http.patience(PATIENCE);
        let body = if verb == "POST" { body.to_string() } else { String::new() };
        let mut answer = http.request(verb, path, &[("Content-Type", "application/json")], &body).json();
        let value = answer["value"].take();
        if value.get("error").is_some() { Err(value) } else { Ok(value) }
    }

    fn ask(&self, verb: &str, path: &str, body: &Value) -> Value {
        self.try_ask(verb, path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    fn in_session(&self, what: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}/{what}", self.session), body)
    }

    pub fn open(&self, url: &str) {
        self.in_session("url", &json!({"url": url}));
    }

    /// What a piece of JavaScript gives. The driver runs it by its own way, which the page's policy does not bind.
    pub fn js(&self, script: &str) -> Value {
        self.in_session("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until a JavaScript expression is true, and gives its value.
    pub fn until(&self, expression: &str) -> Value {
        let begin = Instant::now();
        loop {
            let value = self.js(&format!("return {expression}"));
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return value;
            }
            let seen = || self.js("return document.body.innerText");
            assert!(begin.elapsed() < PATIENCE, "never: {expression}\n{}\n{:?}", seen(), self.complaints());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The path of the one element of a selector; it is waited for.
    fn element(&self, selector: &str) -> String {
        self.until(&format!("!!document.querySelector({})", Value::from(selector)));
        let found = self.in_session("element", &json!({"using": "css selector", "value": selector}));
        format!("element/{}", found[ELEMENT].as_str().unwrap())
    }

    /// Clicks with the mouse where the element is seen.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.in_session(&format!("{element}/click"), &json!({}));
    }

    /// Types into a field, or presses keys at an element.
    pub fn keys(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.in_session(&format!("{element}/value"), &json!({"text": text}));
    }

    /// Presses a key at whatever has the focus.
    pub fn press(&self, key: &str) {
        let both = [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        self.in_session("actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": both}]}));
    }

    /// A command of Chromium's own protocol.
    pub fn chromium(&self, command: &str, parameters: &Value) -> Value {
        self.in_session("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Lets the page be this wide and high, in pixels.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.chromium("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Hides the page, or shows it again.
    pub fn hide(&self, is_hidden: bool) {
        self.in_session(if is_hidden { "window/minimize" } else { "window/maximize" }, &json!({}));
        self.until(&format!("document.hidden === {is_hidden}"));
    }

    /// Lets the system be `light` or `dark`.
    pub fn scheme(&self, name: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": name}]});
        self.chromium("Emulation.setEmulatedMedia", &features);
    }

    /// What is seen, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let text = self.ask("GET", &format!("{}/screenshot", self.session), &Value::Null);
        data_encoding::BASE64.decode(text.as_str().unwrap().as_bytes()).unwrap()
    }

    /// What the browser complains of: refused by the policy, failed, not caught.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.in_session("se/log", &json!({"type": "browser"}));
        let severe = log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With it ends every process of its namespace.
        let _gone = self.driver.kill();
        let _status = self.driver.wait();
    }
}
