/* The report's 3D view: arteries, veins and nodules in plain WebGL. No library, no network.
 *
 * Frame: patient LPS, millimetres (+x left, +y posterior, +z head). The camera turns around a target on a turntable:
 * azimuth 0 looks at the patient from the front, 90 from the patient's left; elevation 90 looks from the head.
 */
"use strict";

(() => {
  const VIEWS = {
    front: [0, 0], back: [180, 0], left: [90, 0], right: [-90, 0], head: [0, 90], feet: [0, -90],
  };
  const FIELD_OF_VIEW = 18; // degrees: little perspective, enough for depth
  const COMPOUND = 0.38; // a second letter is shown from 22.5 degrees on

  const VERTEX = `
    attribute vec3 position; attribute vec3 normal;
    uniform mat4 toClip; uniform vec3 eye, target; uniform float step, span;
    varying vec3 place, facing; varying float depth;
    void main() {
      place = position * step; facing = normal;
      depth = clamp(0.5 - dot(place - target, normalize(eye - target)) / span, 0.0, 1.0);
      gl_Position = toClip * vec4(place, 1.0);
    }`;
  const FRAGMENT = `
    precision mediump float;
    uniform vec3 colour, back, light, toEye; uniform vec4 region; uniform float opacity;
    varying vec3 place, facing; varying float depth;
    void main() {
      if (region.w > 0.0 && distance(place, region.xyz) > region.w) discard;
      vec3 n = normalize(facing) * (gl_FrontFacing ? 1.0 : -1.0);
      float lit = 0.36 + 0.64 * max(dot(n, light), 0.0);
      float gloss = pow(max(dot(n, normalize(light + toEye)), 0.0), 40.0) * 0.22;
      vec3 shown = colour * lit * (gl_FrontFacing ? 1.0 : 0.5) + gloss;
      gl_FragColor = vec4(mix(shown, back, 0.55 * depth * depth), opacity);
    }`;

  const add = (a, b, k = 1) => a.map((value, i) => value + k * b[i]);
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const unit = (a) => a.map((value) => value / (Math.hypot(...a) || 1));
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);

  /** The patient's side towards which a direction points, main letter first. */
  function letters(direction) {
    return direction
      .map((value, axis) => ({ size: Math.abs(value), letter: ["LR", "PA", "HF"][axis][value > 0 ? 0 : 1] }))
      .filter(({ size }) => size > COMPOUND)
      .sort((a, b) => b.size - a.size)
      .slice(0, 2)
      .map(({ letter }) => letter)
      .join("");
  }

  function decode(base64, Kind) {
    const text = atob(base64);
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    return new Kind(bytes.buffer);
  }

  /** Smooth normals: each vertex averages its triangles, weighted by their area. */
  function normalsOf(vertices, faces) {
    const sums = new Float32Array(vertices.length);
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
      const ux = vertices[b] - vertices[a], uy = vertices[b + 1] - vertices[a + 1], uz = vertices[b + 2] - vertices[a + 2];
      const vx = vertices[c] - vertices[a], vy = vertices[c + 1] - vertices[a + 1], vz = vertices[c + 2] - vertices[a + 2];
      const nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
      for (const at of [a, b, c]) { sums[at] += nx; sums[at + 1] += ny; sums[at + 2] += nz; }
    }
    const normals = new Int8Array(vertices.length);
    for (let v = 0; v < sums.length; v += 3) {
      const length = Math.hypot(sums[v], sums[v + 1], sums[v + 2]) || 1;
      for (let axis = 0; axis < 3; axis += 1) normals[v + axis] = Math.round(127 * sums[v + axis] / length);
    }
    return normals;
  }

  class Viewer {
    constructor(root, scene) {
      this.root = root;
      this.scene = scene;
      this.canvas = root.querySelector("canvas");
      this.overlay = root.querySelector("svg");
      this.structures = scene.structures.map((structure) => {
        const vertices = decode(structure.vertices, Int16Array);
        const faces = decode(structure.faces, structure.wide ? Uint32Array : Uint16Array);
        return { ...structure, vertices, faces, normals: normalsOf(vertices, faces), shown: true };
      });
      this.nodules = scene.nodules.map((nodule) => ({
        ...nodule,
        centre: add(nodule.centre, scene.origin, -1),
        nearest: nodule.nearest.map((entry) => ({ ...entry, point: add(entry.point, scene.origin, -1) })),
      }));
      this.clip = false;
      this.marks = true;
      this.focus(-1);
      this.turn("front");
      this.connect();
      this.observe();
    }

    /** Make the drawing context; false where the browser has none. */
    start() {
      const gl = this.canvas.getContext("webgl", { antialias: true, preserveDrawingBuffer: true });
      if (!gl || !gl.getExtension("OES_element_index_uint")) return false;
      this.gl = gl;
      this.program = gl.createProgram();
      for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
        const shader = gl.createShader(kind);
        gl.shaderSource(shader, source);
        gl.compileShader(shader);
        gl.attachShader(this.program, shader);
      }
      gl.bindAttribLocation(this.program, 0, "position");
      gl.bindAttribLocation(this.program, 1, "normal");
      gl.linkProgram(this.program);
      if (!gl.getProgramParameter(this.program, gl.LINK_STATUS)) return false;
      this.uniforms = {};
      for (const name of ["toClip", "eye", "target", "step", "span", "colour", "back", "light", "toEye", "region", "opacity"]) {
        this.uniforms[name] = gl.getUniformLocation(this.program, name);
      }
      for (const structure of this.structures) {
        structure.buffers = [structure.vertices, structure.normals, structure.faces].map((data, index) => {
          const target = index === 2 ? gl.ELEMENT_ARRAY_BUFFER : gl.ARRAY_BUFFER;
          const buffer = gl.createBuffer();
          gl.bindBuffer(target, buffer);
          gl.bufferData(target, data, gl.STATIC_DRAW);
          return buffer;
        });
      }
      return true;
    }

    /** Look at a nodule, or at everything (-1). */
    focus(index) {
      this.chosen = index;
      const nodule = this.nodules[index];
      this.target = nodule ? [...nodule.centre] : [0, 0, 0];
      this.reach = nodule ? nodule.region * 1.25 : this.scene.radius * 0.72;
      this.redraw();
    }

    turn(name) {
      [this.azimuth, this.elevation] = VIEWS[name];
      this.redraw();
    }

    rotate(right, up) {
      this.azimuth = (this.azimuth + right) % 360;
      this.elevation = Math.max(-90, Math.min(90, this.elevation + up));
      this.redraw();
    }

    zoom(factor) {
      this.reach = Math.max(5, Math.min(this.scene.radius * 3, this.reach / factor));
      this.redraw();
    }

    pan(right, up) {
      const { r, u } = this.axes();
      const mm = 2 * this.reach / this.canvas.clientHeight;
      this.target = add(add(this.target, r, -right * mm), u, up * mm);
      this.redraw();
    }

    /** Screen right, screen up and towards the reader, as patient directions. */
    axes() {
      const [a, e] = [this.azimuth, this.elevation].map((degrees) => degrees * Math.PI / 180);
      const level = [Math.sin(a), -Math.cos(a), 0];
      return {
        r: [Math.cos(a), Math.sin(a), 0],
        u: add([0, 0, Math.cos(e)], level, -Math.sin(e)),
        d: add([0, 0, Math.sin(e)], level, Math.cos(e)),
      };
    }

    camera() {
      const { r, u, d } = this.axes();
      const half = Math.tan(FIELD_OF_VIEW * Math.PI / 360);
      const aspect = this.canvas.width / this.canvas.height;
      const reach = this.reach * Math.max(1, 1 / aspect);
      const distance = reach / half;
      const eye = add(this.target, d, distance);
      const far = distance + 2 * this.scene.radius + Math.hypot(...this.target);
      const near = Math.max(1, distance / 50);
      const [sx, sy] = [1 / (half * aspect), 1 / half];
      const [p, q] = [-(far + near) / (far - near), -2 * far * near / (far - near)];
      const rows = [
        [...r.map((v) => v * sx), -dot(r, eye) * sx],
        [...u.map((v) => v * sy), -dot(u, eye) * sy],
        [...d.map((v) => v * p), -dot(d, eye) * p + q],
        [...d.map((v) => -v), dot(d, eye)],
      ];
      return { eye, r, u, d, distance, half, toClip: [0, 1, 2, 3].flatMap((column) => rows.map((row) => row[column])), rows };
    }

    redraw() {
      if (this.pending) return;
      this.pending = requestAnimationFrame(() => { this.pending = 0; this.draw(); });
    }

    draw() {
      const { gl, canvas } = this;
      if (!gl || gl.isContextLost()) return;
      const scale = Math.min(window.devicePixelRatio || 1, 2);
      const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
      if (!width || !height) return;
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      const view = this.camera();
      const back = [0.043, 0.055, 0.075];
      const nodule = this.nodules[Math.max(0, this.chosen)];
      const region = this.clip && nodule ? [...nodule.centre, nodule.region] : [0, 0, 0, 0];
      gl.viewport(0, 0, width, height);
      gl.clearColor(...back, 1);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.enable(gl.DEPTH_TEST);
      gl.useProgram(this.program);
      gl.uniformMatrix4fv(this.uniforms.toClip, false, view.toClip);
      gl.uniform3fv(this.uniforms.eye, view.eye);
      gl.uniform3fv(this.uniforms.target, this.target);
      gl.uniform3fv(this.uniforms.light, unit(add(add(view.d, view.u, 0.55), view.r, -0.35)));
      gl.uniform3fv(this.uniforms.toEye, view.d);
      gl.uniform3fv(this.uniforms.back, back);
      gl.uniform4fv(this.uniforms.region, region);
      gl.uniform1f(this.uniforms.step, this.scene.step);
      gl.uniform1f(this.uniforms.span, this.clip && nodule ? 2 * nodule.region : 2 * this.scene.radius);
      gl.enableVertexAttribArray(0);
      gl.enableVertexAttribArray(1);
      const solid = (structure) => structure.opacity >= 1;
      for (const pass of [solid, (structure) => !solid(structure)]) {
        for (const structure of this.structures.filter((entry) => entry.shown && entry.opacity > 0 && pass(entry))) {
          this.drawStructure(structure, pass === solid);
        }
      }
      this.annotate(view);
    }

    drawStructure(structure, solid) {
      const { gl } = this;
      const [vertices, normals, faces] = structure.buffers;
      gl.bindBuffer(gl.ARRAY_BUFFER, vertices);
      gl.vertexAttribPointer(0, 3, gl.SHORT, false, 0, 0);
      gl.bindBuffer(gl.ARRAY_BUFFER, normals);
      gl.vertexAttribPointer(1, 3, gl.BYTE, true, 0, 0);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, faces);
      gl.uniform3fv(this.uniforms.colour, rgb(structure.colour));
      gl.uniform1f(this.uniforms.opacity, structure.opacity);
      gl.depthMask(solid);
      if (solid) {
        gl.disable(gl.BLEND);
        gl.disable(gl.CULL_FACE);
      } else {
        gl.enable(gl.BLEND);
        gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
        gl.enable(gl.CULL_FACE);
      }
      gl.drawElements(gl.TRIANGLES, structure.faces.length, structure.wide ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT, 0);
      gl.depthMask(true);
    }

    /** Letters at the edges; the region's circle and the nearest distances of the chosen nodule. */
    annotate(view) {
      const minus = (direction) => direction.map((value) => -value);
      for (const [edge, direction] of Object.entries({ left: minus(view.r), right: view.r, top: view.u, bottom: minus(view.u) })) {
        this.root.querySelector(`[data-edge=${edge}]`).textContent = letters(direction);
      }
      const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
      this.overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.overlay.replaceChildren();
      const nodule = this.nodules[this.chosen] || (this.nodules.length === 1 ? this.nodules[0] : null);
      if (!nodule || !this.marks) return;
      const place = (point) => {
        const [x, y, , w] = view.rows.map((row) => dot(row.slice(0, 3), point) + row[3]);
        return [(x / w + 1) / 2 * width, (1 - y / w) / 2 * height, w];
      };
      const make = (kind, attributes, text) => {
        const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
        for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
        if (text) element.textContent = text;
        this.overlay.append(element);
      };
      const [x, y, w] = place(nodule.centre);
      make("circle", { cx: x, cy: y, r: nodule.region * height / (2 * view.half * w), class: "region" });
      nodule.nearest.forEach((entry, index) => {
        const [px, py] = place(entry.point);
        make("line", { x1: x, y1: y, x2: px, y2: py, class: entry.vessel });
        make("circle", { cx: px, cy: py, r: 3, class: entry.vessel });
        const label = `Nearest ${entry.vessel} ${entry.distance.toFixed(1)} mm`;
        make("text", { x: width - 14, y: 24 + 20 * index, class: entry.vessel, "text-anchor": "end" }, label);
      });
    }

    /** Pointer, wheel, keyboard and buttons. */
    connect() {
      const { canvas, root } = this;
      const pointers = new Map();
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        pointers.set(event.pointerId, event);
      });
      for (const name of ["pointerup", "pointercancel"]) {
        canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
      }
      canvas.addEventListener("pointermove", (event) => {
        const last = pointers.get(event.pointerId);
        if (!last) return;
        const [dx, dy] = [event.clientX - last.clientX, event.clientY - last.clientY];
        if (pointers.size === 2) {
          const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
          const span = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
          this.zoom(span(event) / (span(last) || 1));
          this.pan(dx / 2, dy / 2);
        } else if (event.shiftKey || event.buttons & 6) {
          this.pan(dx, dy);
        } else {
          this.rotate(-0.45 * dx, 0.45 * dy);
        }
        pointers.set(event.pointerId, event);
      });
      canvas.addEventListener("contextmenu", (event) => event.preventDefault());
      canvas.addEventListener("wheel", (event) => {
        // The page must still scroll when the pointer only passes over the view.
        if (document.activeElement !== canvas && !event.ctrlKey) return;
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY / 600));
      }, { passive: false });
      canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
      canvas.addEventListener("webglcontextrestored", () => { this.start(); this.redraw(); });
      const initials = Object.fromEntries(Object.keys(VIEWS).map((name) => [{ front: "a", back: "p" }[name] || name[0], name]));
      const keys = {
        ArrowLeft: () => this.rotate(8, 0), ArrowRight: () => this.rotate(-8, 0),
        ArrowUp: () => this.rotate(0, -8), ArrowDown: () => this.rotate(0, 8),
        "+": () => this.zoom(1.2), "=": () => this.zoom(1.2), "-": () => this.zoom(1 / 1.2),
        0: () => { this.focus(this.chosen); this.turn("front"); },
      };
      canvas.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const action = keys[event.key] || (initials[event.key] && (() => this.turn(initials[event.key])));
        if (!action) return;
        event.preventDefault();
        action();
      });
      const act = {
        view: (value) => this.turn(value),
        zoom: (value) => this.zoom(Number(value)),
        focus: (value) => this.focus(Number(value)),
      };
      root.querySelectorAll("button[data-act]").forEach((button) => {
        button.addEventListener("click", () => act[button.dataset.act](button.dataset.value));
      });
      root.querySelectorAll("input[data-structure]").forEach((box) => {
        box.checked = true;
        box.addEventListener("change", () => {
          this.structures.find(({ name }) => name === box.dataset.structure).shown = box.checked;
          this.redraw();
        });
      });
      const bind = (name, change) => {
        const input = root.querySelector(`[data-set=${name}]`);
        if (input) input.addEventListener("input", () => { change(input); this.redraw(); });
      };
      bind("clip", (input) => { this.clip = input.checked; });
      bind("marks", (input) => { this.marks = input.checked; });
      bind("opacity", (input) => {
        for (const structure of this.structures) {
          if (structure.name.startsWith("nodule")) structure.opacity = Number(input.value) / 100;
        }
      });
      bind("focus", (input) => this.focus(Number(input.value)));
    }

    observe() {
      new ResizeObserver(() => this.redraw()).observe(this.canvas);
      window.addEventListener("beforeprint", () => this.draw());
    }
  }

  const root = document.getElementById("viewer");
  const scene = JSON.parse(document.getElementById("scene").textContent);
  if (root && scene.structures) {
    root.hidden = false;
    const viewer = new Viewer(root, scene);
    if (viewer.start()) {
      document.getElementById("no-viewer").hidden = true;
      viewer.redraw();
    } else {
      root.hidden = true;
    }
  }

  const toggle = document.getElementById("show-vessels");
  if (toggle) {
    toggle.addEventListener("change", () => document.body.classList.toggle("plain", !toggle.checked));
  }
})();
