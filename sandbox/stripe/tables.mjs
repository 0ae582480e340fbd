// Reads CSV and TSV piece by piece, as a catalogue comes: rows as lists of texts, blank lines left out.

/** A row that cannot be read is null. */
export class Table {
  constructor(delimiter = ',') {
    this.delimiter = delimiter;
    this.decoder = new TextDecoder('utf-8');
    this.state = 'begin'; // begin · plain · quoted · quote (the end of a quoted cell, or the first of two) · bad
    this.cell = '';
    this.cells = [];
    this.rows = [];
  }

  push(bytes) {
    return this.read(this.decoder.decode(bytes, { stream: true }));
  }

  end() {
    this.read(this.decoder.decode());
    if (this.state === 'quoted') this.state = 'bad';
    if (this.cell !== '' || this.cells.length > 0 || this.state !== 'begin') this.endRow();
    return this.take();
  }

  take() {
    return this.rows.splice(0);
  }

  endCell() {
    this.cells.push(this.cell);
    this.cell = '';
  }

  endRow() {
    this.endCell();
    const { cells, state } = this;
    this.cells = [];
    this.state = 'begin';
    if (state === 'bad') this.rows.push(null);
    else if (cells.some((cell) => cell !== '')) this.rows.push(cells);
  }

  read(text) {
    let at = 0;
    while (at < text.length) {
      if (this.state === 'quoted') {
        const end = text.indexOf('"', at);
        if (end < 0) {
          this.cell += text.slice(at);
          break;
        }
        this.cell += text.slice(at, end);
        this.state = 'quote';
        at = end + 1;
        continue;
      }
      const letter = text[at];
      if (letter === '\n' || letter === '\r') {
        if (letter === '\r') {
          at += 1;
          if (text[at] === '\n') at += 1;
        } else at += 1;
        this.endRow();
      } else if (this.state === 'bad') at += 1;
      else if (letter === '"' && this.state === 'quote') {
        this.cell += '"';
        this.state = 'quoted';
        at += 1;
      } else if (letter === '"' && this.state === 'begin') {
        this.state = 'quoted';
        at += 1;
      } else if (letter === this.delimiter) {
        this.endCell();
        this.state = 'begin';
        at += 1;
      } else if (this.state === 'quote') {
        this.state = 'bad';
      } else {
        let end = at + 1;
        while (end < text.length && text[end] !== this.delimiter && text[end] !== '\n' && text[end] !== '\r') end += 1;
        this.cell += text.slice(at, end);
        this.state = 'plain';
        at = end;
      }
    }
    return this.take();
  }
}

export const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
export const line = (cells) => `${cells.map((text) => cell(String(text ?? ''))).join(',')}\n`;
