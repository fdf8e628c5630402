//! Chromium without a window, driven through ChromeDriver; both end when the [`Browser`] is dropped.

use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction, TouchActions};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine; a test that waits this long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Set to 1 where a missing browser is a failure.
const REQUIRE: &str = "CENTERSCOPE_REQUIRE_BROWSER";

/// What the pages are looked at with.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Screen {
    /// 1440 × 900, and a reader who asked for less motion: a picture stands still as soon as it is drawn.
    Still,
    /// 1440 × 900, with points that glide from epoch to epoch.
    Moving,
    /// 390 × 844, touch.
    Phone,
    /// As `Still`, with WebGL that the CPU imitates.
    SoftwareGpu,
}

/// A browser with one tab.
pub(super) struct Browser {
    pub(super) client: Client,
    // Ends before its profile is removed: fields are dropped in this order.
    _driver: Driver,
    _profile: TempDir,
}

impl Browser {
    /// `None`, said aloud, on a machine without Chromium or ChromeDriver.
    pub(super) async fn start(screen: Screen) -> Option<Browser> {
        let (Some(chromium), Some(chromedriver)) =
            (on_path(&["chromium", "chromium-browser", "google-chrome"]), on_path(&["chromedriver"]))
        else {
            let missing = "Chromium and ChromeDriver are not both on the PATH (Debian: chromium chromium-driver)";
            assert!(std::env::var(REQUIRE).as_deref() != Ok("1"), "{missing}, and {REQUIRE}=1 asks for them");
            // Not by eprintln!, which the test harness swallows.
            let line = format!("SKIPPED: a test in a browser: {missing}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            return None;
        };
        let mut driver = Driver::start(&chromedriver);
        let profile = tempfile::tempdir().unwrap();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let wishes = capabilities(&chromium, profile.path(), screen);
        builder.capabilities(wishes.as_object().unwrap().clone());
        let client = builder.connect(&format!("http://127.0.0.1:{}", driver.port)).await.unwrap();
        #[cfg(unix)]
        {
            let process = client.capabilities().and_then(|known| known.get("goog:processID")?.as_i64());
            driver.browser = process.and_then(|process| rustix::process::Pid::from_raw(process.try_into().ok()?));
        }
        Some(Browser { client, _driver: driver, _profile: profile })
    }

    /// Whatever the pages wrote to the console since the last look is a failure.
    pub(super) async fn assert_silent(&self) {
        let log = self.client.issue_cmd(ConsoleLog).await.unwrap();
        assert_eq!(log, json!([]), "the pages wrote to the console");
    }

    /// The same at the end of a test where requests are meant to fail: the browser itself writes of those.
    pub(super) async fn assert_silent_but_for_the_network(self) {
        let log = self.client.issue_cmd(ConsoleLog).await.unwrap();
        let own = log.as_array().unwrap().iter().filter(|line| line["source"] != "network").collect::<Vec<_>>();
        assert!(own.is_empty(), "the pages wrote to the console: {own:?}");
    }

    /// What the body of an async JavaScript function returns.
    pub(super) async fn later(&self, body: &str) -> Value {
        let script = format!(
            "const tell = arguments[arguments.length - 1]; \
             (async () => {{ {body} }})().then((value) => tell({{ value }}), (error) => tell({{ error: String(error) }}));"
        );
        let told = self.client.execute_async(&script, vec![]).await.unwrap_or_else(|error| panic!("{body}: {error}"));
        assert!(told["error"].is_null(), "{body}: {}", told["error"]);
        told["value"].clone()
    }

    /// The value of a JavaScript expression.
    pub(super) async fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.client.execute(&script, vec![]).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until a JavaScript expression is true, looking at each frame; page changes under way are waited for, too.
    pub(super) async fn until(&self, expression: &str) {
        let script = format!(
            "const [milliseconds, tell] = arguments;
             const end = performance.now() + milliseconds;
             const look = () => (({expression}) ? tell(true) : performance.now() > end ? tell(false) : requestAnimationFrame(look));
             look();"
        );
        let end = Instant::now() + PATIENCE;
        loop {
            match self.client.execute_async(&script, vec![json!(2000)]).await {
                Ok(Value::Bool(true)) => return,
                Err(error) if !error.to_string().contains("unload") => panic!("{expression}: {error}"),
                _ => {}
            }
            if Instant::now() > end {
                let state = self.value("JSON.stringify([location.href, window.centerscope?.state()])").await;
                panic!("waited in vain for: {expression}\n{state}");
            }
        }
    }

    pub(super) async fn click(&self, selector: &str) {
        let element = self.client.find(Locator::Css(selector)).await.unwrap_or_else(|e| panic!("{selector}: {e}"));
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses keys in whatever has the focus, as `Key::Left` or text.
    pub(super) async fn press(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Moves the mouse to a place in the window.
    pub(super) async fn point_at(&self, x: f64, y: f64) {
        let to = PointerAction::MoveTo { duration: Some(Duration::ZERO), x, y };
        self.client.perform_actions(MouseActions::new("mouse".into()).then(to)).await.unwrap();
    }

    pub(super) async fn double_click(&self, (x, y): (f64, f64)) {
        let press = PointerAction::Down { button: MOUSE_BUTTON_LEFT };
        let lift = PointerAction::Up { button: MOUSE_BUTTON_LEFT };
        let actions = MouseActions::new("mouse".into())
            .then(PointerAction::MoveTo { duration: Some(Duration::ZERO), x, y })
            .then(press.clone())
            .then(lift.clone())
            .then(press)
            .then(lift);
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Presses the left button at one place, moves, and lets go at another.
    pub(super) async fn drag(&self, from: (f64, f64), to: (f64, f64)) {
        self.hold(from, to).await;
        self.let_go().await;
    }

    /// Presses the left button at one place, moves, and keeps it pressed.
    pub(super) async fn hold(&self, from: (f64, f64), to: (f64, f64)) {
        let duration = Some(Duration::ZERO);
        let actions = MouseActions::new("mouse".into())
            .then(PointerAction::MoveTo { duration, x: from.0, y: from.1 })
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::MoveTo { duration, x: to.0, y: to.1 });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Lets go of what is held.
    pub(super) async fn let_go(&self) {
        let up = PointerAction::Up { button: MOUSE_BUTTON_LEFT };
        self.client.perform_actions(MouseActions::new("mouse".into()).then(up)).await.unwrap();
    }

    /// Chooses an option of the `n`th `<select>` of a selector by its value.
    pub(super) async fn choose(&self, selector: &str, n: usize, value: &str) {
        let elements = self.client.find_all(Locator::Css(selector)).await.unwrap();
        elements[n].select_by_value(value).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses the left button at the first place, moves along the others, and lets go.
    pub(super) async fn draw(&self, path: &[(f64, f64)]) {
        let to =
            |&(x, y): &(f64, f64)| PointerAction::MoveTo { duration: Some(Duration::ZERO), x: x.round(), y: y.round() };
        let start = MouseActions::new("mouse".into()).then(to(&path[0]));
        let pressed = start.then(PointerAction::Down { button: MOUSE_BUTTON_LEFT });
        let drawn = path[1..].iter().fold(pressed, |actions, place| actions.then(to(place)));
        self.client.perform_actions(drawn.then(PointerAction::Up { button: MOUSE_BUTTON_LEFT })).await.unwrap();
    }

    /// Puts a finger down where each path begins, moves all of them along together, holds still, so that no page flies on, and
    /// lifts them.
    pub(super) async fn fingers(&self, paths: &[&[(f64, f64)]]) {
        let to =
            |&(x, y): &(f64, f64)| PointerAction::MoveTo { duration: Some(Duration::ZERO), x: x.round(), y: y.round() };
        let finger = |(n, path): (usize, &&[(f64, f64)])| {
            let down = TouchActions::new(format!("finger {n}"))
                .then(to(&path[0]))
                .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT });
            let moved = path[1..].iter().fold(down, |actions, place| actions.then(to(place)));
            let held = PointerAction::Pause { duration: Duration::from_millis(if path.len() > 1 { 120 } else { 0 }) };
            moved.then(held).then(PointerAction::Up { button: MOUSE_BUTTON_LEFT })
        };
        self.client.perform_actions(paths.iter().enumerate().map(finger).collect::<Vec<_>>()).await.unwrap();
    }

    /// What the `n`th element of a selector looks like.
    pub(super) async fn picture(&self, selector: &str, n: usize) -> Picture {
        let elements = self.client.find_all(Locator::Css(selector)).await.unwrap();
        Picture::decode(&elements[n].screenshot().await.unwrap())
    }
}

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).collect::<Vec<_>>();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}

fn capabilities(chromium: &Path, profile: &Path, screen: Screen) -> Value {
    let mut options = json!({
        "binary": chromium,
        "args": [
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,1200",
            "--force-device-scale-factor=1", "--no-first-run", format!("--user-data-dir={}", profile.display()),
        ],
    });
    let mut more =
        |words: &[&str]| options["args"].as_array_mut().unwrap().extend(words.iter().map(|word| json!(word)));
    match screen {
        Screen::Still => more(&["--disable-gpu", "--force-prefers-reduced-motion"]),
        Screen::Moving => more(&["--disable-gpu"]),
        Screen::SoftwareGpu => {
            more(&["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--force-prefers-reduced-motion"])
        }
        Screen::Phone => {
            more(&["--disable-gpu"]);
            let metrics = json!({"width": 390, "height": 844, "pixelRatio": 2, "touch": true});
            options["mobileEmulation"] = json!({"deviceMetrics": metrics});
        }
    }
    json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}})
}

/// The ChromeDriver process.
struct Driver {
    process: Child,
    port: u16,
    /// The browser's process, once it has one.
    #[cfg(unix)]
    browser: Option<rustix::process::Pid>,
}

impl Driver {
    fn start(program: &Path) -> Driver {
        let mut process =
            Command::new(program).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // It takes a free port, and says which once it listens.
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let rest = line.split_once("started successfully on port ")?.1;
            rest.trim_end_matches('.').parse().ok()
        });
        Driver {
            process,
            port: port.expect("ChromeDriver says its port"),
            #[cfg(unix)]
            browser: None,
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // A browser outlives its ChromeDriver, and one that is asked to close may never do it.
        #[cfg(unix)]
        if let Some(browser) = self.browser {
            let _ = rustix::process::kill_process(browser, rustix::process::Signal::KILL);
        }
    }
}

/// ChromeDriver's own command: what was written to the console since the last time.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (axum::http::Method, Option<String>) {
        (axum::http::Method::POST, Some(json!({"type": "browser"}).to_string()))
    }
}

/// A screenshot: RGBA, row by row.
#[derive(Clone, PartialEq)]
pub(super) struct Picture {
    width: usize,
    rgba: Vec<u8>,
}

impl Picture {
    fn decode(file: &[u8]) -> Picture {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let rgba = match info.color_type {
            png::ColorType::Rgba => pixels,
            png::ColorType::Rgb => pixels.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect(),
            other => panic!("a screenshot in {other:?}"),
        };
        Picture { width: info.width as usize, rgba }
    }

    /// The pixels that are clearly coloured: points are, the grid, the axes and the text are not.
    fn colours(&self) -> impl Iterator<Item = &[u8]> {
        let range = |p: &[u8]| p[..3].iter().max().unwrap() - p[..3].iter().min().unwrap();
        self.rgba.chunks_exact(4).filter(move |pixel| range(pixel) > 40)
    }

    /// How many pixels are clearly coloured.
    pub(super) fn coloured(&self) -> usize {
        self.colours().count()
    }

    /// The hue of each coloured pixel; it stays what it is where a point is mixed with a white background.
    pub(super) fn hues(&self) -> impl Iterator<Item = f64> {
        self.colours().map(hue)
    }

    /// The share of the pixels in which another picture of the same size differs by more than `tolerance` in any colour.
    pub(super) fn differing(&self, other: &Picture, tolerance: u8) -> f64 {
        assert_eq!((self.width, self.rgba.len()), (other.width, other.rgba.len()), "pictures of one size");
        let pairs = self.rgba.chunks_exact(4).zip(other.rgba.chunks_exact(4));
        let far = |(a, b): (&[u8], &[u8])| a.iter().zip(b).any(|(a, b)| a.abs_diff(*b) > tolerance);
        pairs.map(far).filter(|&differs| differs).count() as f64 / (self.rgba.len() / 4) as f64
    }

    /// The square of `2 * reach + 1` pixels around a place; what lies outside is left out.
    pub(super) fn around(&self, x: f64, y: f64, reach: usize) -> Vec<&[u8]> {
        let (x, y) = (x.round() as usize, y.round() as usize);
        let columns = x.saturating_sub(reach)..(x + reach + 1).min(self.width);
        let rows = self.rgba.chunks_exact(4 * self.width).skip(y.saturating_sub(reach)).take(2 * reach + 1);
        rows.map(|row| &row[4 * columns.start..4 * columns.end]).collect()
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a picture with {} coloured pixels", self.coloured())
    }
}

/// The hue of a colour (red, green, blue, …) in degrees.
pub(super) fn hue(colour: &[u8]) -> f64 {
    let [r, g, b] = [colour[0], colour[1], colour[2]].map(f64::from);
    (3f64.sqrt() * (g - b)).atan2(2.0 * r - g - b).to_degrees()
}
