from mirnb.cli import main

raise SystemExit(main())
