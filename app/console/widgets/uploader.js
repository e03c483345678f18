// Files, folders and archives on their way to the server: in batches, with progress, retried when the connection is lost.
const BATCH_FILES = 24;
const BATCH_BYTES = 32 << 20;
const LONGEST_PAUSE = 15000;
const SHOWN = 200;

export default {
  template: `
    <div class="n-upload">
      <div class="n-drop" :class="{'n-over': over, 'n-off': disabled}" @dragover.prevent="over = !disabled"
           @dragleave="over = false" @drop.prevent="drop">
        <i class="q-icon material-icons n-drop-icon" aria-hidden="true">cloud_upload</i>
        <div class="n-strong">{{ words.drop }}</div>
        <div class="n-caption">{{ disabled || words.formats }}</div>
        <div class="n-row">
          <button type="button" class="n-html-button" :disabled="!!disabled" @click="$refs.files.click()">{{ words.files }}</button>
          <button type="button" class="n-html-button" :disabled="!!disabled" @click="$refs.folder.click()">{{ words.folder }}</button>
        </div>
        <input ref="files" type="file" multiple hidden :accept="accept" @change="choose($event)" data-testid="files">
        <input ref="folder" type="file" multiple hidden webkitdirectory @change="choose($event)">
      </div>
      <div v-if="total" class="n-upload-state" role="status">
        <div class="n-upload-line">
          <span class="n-strong">{{ headline }}</span>
          <span class="n-caption">{{ percent }} %</span>
          <button v-if="busy" type="button" class="n-html-button" @click="stop">{{ words.stop }}</button>
        </div>
        <div class="n-progress"><div :style="{width: percent + '%'}"></div></div>
        <div v-if="fault" class="n-upload-fault" role="alert">
          <i class="q-icon material-icons" aria-hidden="true">error</i><span>{{ fault }}</span>
        </div>
        <div class="n-row n-counts">
          <span class="n-badge n-accept"><i class="q-icon material-icons" aria-hidden="true">check_circle</i>{{ counts.accepted }} {{ words.accepted }}</span>
          <span class="n-badge"><i class="q-icon material-icons" aria-hidden="true">content_copy</i>{{ counts.duplicate }} {{ words.duplicate }}</span>
          <span class="n-badge" :class="{'n-reject': counts.rejected}"><i class="q-icon material-icons" aria-hidden="true">block</i>{{ counts.rejected }} {{ words.rejected }}</span>
          <span v-if="counts.left_out" class="n-badge"><i class="q-icon material-icons" aria-hidden="true">visibility_off</i>{{ counts.left_out }} {{ words.left_out }}</span>
        </div>
        <details v-if="answers.length" class="n-answers" :open="counts.rejected > 0">
          <summary>{{ words.answers }}</summary>
          <table>
            <tr v-for="answer in answers">
              <td class="n-answer-name" :title="answer.name">{{ answer.name }}</td>
              <td><span class="n-answer" :class="'n-' + answer.status">{{ words[answer.status] }}</span></td>
              <td class="n-caption">{{ answer.reason }}</td>
            </tr>
          </table>
        </details>
      </div>
    </div>`,
  props: { url: String, words: Object, accept: String, disabled: String },
  data: () => ({
    over: false, busy: false, fault: "", total: 0, sent: 0, files: 0, queue: [], request: null, stopped: false,
    counts: { accepted: 0, duplicate: 0, rejected: 0, left_out: 0 }, answers: [],
  }),
  computed: {
    percent() { return this.total ? Math.min(100, Math.floor((100 * this.sent) / this.total)) : 0; },
    headline() {
      if (this.busy) return this.sent >= this.total ? this.words.checking : this.words.sending;
      return this.stopped ? this.words.stopped : this.fault ? this.words.failed : this.words.done;
    },
  },
  mounted() { window.addEventListener("beforeunload", this.warn); },
  unmounted() { window.removeEventListener("beforeunload", this.warn); },
  methods: {
    warn(event) { if (this.busy) event.preventDefault(); },
    async drop(event) {
      this.over = false;
      if (this.disabled) return;
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
      const found = [];
      for (const entry of entries) await this.walk(entry, "", found);
      this.add(found.length ? found : [...event.dataTransfer.files].map((file) => ({ file, name: file.name })));
    },
    async walk(entry, path, found) {
      if (entry.isFile) {
        const file = await new Promise((give, fail) => entry.file(give, fail));
        found.push({ file, name: path + file.name });
        return;
      }
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((give, fail) => reader.readEntries(give, fail));
        if (!some.length) return;
        for (const child of some) await this.walk(child, path + entry.name + "/", found);
      }
    },
    choose(event) {
      this.add([...event.target.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
      event.target.value = "";
    },
    add(found) {
      if (!found.length) return;
      if (!this.busy) this.reset();
      this.queue.push(...found.map((each) => ({ ...each, url: this.url }))); // the server names hidden files and a system's own
      this.total += found.reduce((sum, each) => sum + each.file.size, 0);
      if (!this.busy) this.run();
    },
    reset() {
      Object.assign(this, { fault: "", total: 0, sent: 0, stopped: false, answers: [], queue: [] });
      this.counts = { accepted: 0, duplicate: 0, rejected: 0, left_out: 0 };
    },
    async run() {
      this.busy = true;
      while (this.queue.length && !this.stopped) {
        const batch = this.take();
        if (!(await this.persist(batch))) break;
        this.$emit("taken", { ...this.counts });
      }
      this.busy = false;
      this.$emit("done", { ...this.counts });
    },
    take() {
      const batch = [];
      let bytes = 0;
      const fits = ({ url, file }) => !batch.length || (url === batch[0].url && bytes + file.size <= BATCH_BYTES);
      while (this.queue.length && batch.length < BATCH_FILES && fits(this.queue[0])) {
        const next = this.queue.shift();
        bytes += next.file.size;
        batch.push(next);
      }
      return batch;
    },
    // The same files again are known to the server, so a broken request is simply sent once more.
    async persist(batch) {
      const before = this.sent;
      for (let pause = 1000; !this.stopped; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
        const { status, body } = await this.send(batch, before);
        if (status === 401) { window.location.reload(); return false; }
        if (status && body.files) { this.note(body.files, body.left_out || []); return true; }
        this.fault = status ? body.detail : this.words.lost;
        const passing = !status || status === 503 || status === 502 || status === 504;
        if (!passing) { this.queue = []; return false; }
        this.sent = before;
        await new Promise((go) => setTimeout(go, pause));
      }
      return false;
    },
    send(batch, before) {
      const form = new FormData();
      for (const { file, name } of batch) form.append("file", file, name);
      const bytes = batch.reduce((sum, each) => sum + each.file.size, 0);
      return new Promise((give) => {
        const request = (this.request = new XMLHttpRequest());
        request.open("POST", batch[0].url);
        request.responseType = "json";
        request.upload.onprogress = (event) => { this.sent = before + Math.min(event.loaded, bytes); };
        request.onload = () => {
          if (request.status < 500) { this.sent = before + bytes; this.fault = ""; }
          give({ status: request.status, body: request.response || {} });
        };
        request.onerror = request.onabort = () => give({ status: 0, body: {} });
        request.send(form);
      });
    },
    note(files, leftOut) {
      for (const each of files) {
        this.counts[each.status] += 1;
        const name = each.archive && each.archive !== each.name ? each.archive + ": " + each.name : each.name;
        const answer = { name, status: each.status, reason: each.problem?.detail || "" };
        if (each.status === "rejected") this.answers.unshift(answer);
        else this.answers.push(answer);
      }
      for (const each of leftOut) {
        this.counts.left_out += each.files;
        const name = each.archive ? each.archive + ": " + each.name : each.name;
        let answer = this.answers.find((one) => one.status === "left_out" && one.name === name);
        if (!answer) this.answers.unshift((answer = { name, status: "left_out", files: 0 }));
        answer.files += each.files;
        answer.reason = answer.files + " × " + each.reason;
      }
      this.answers = this.answers.slice(0, SHOWN);
    },
    stop() {
      this.stopped = true;
      this.queue = [];
      this.request?.abort();
    },
  },
};
